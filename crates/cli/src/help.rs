//! What `--help` says below the options. A paragraph is one line here: clap wraps it to the terminal's width.

pub const MAIN: &str = "\
Examples:
  stillheap dump 12345              take a snapshot of a running service
  stillheap leaks                   name the leak, from the snapshots in this directory
  stillheap summary app.heapsnapshot
  stillheap retainers app.heapsnapshot EmailTemplate
  stillheap help leaks              more about one command

Snapshots may be plain, gzip or zstd. - is standard input.

Exit codes: 0 success; 1 a leak was found, a condition failed, or a file is not complete; 2 wrong usage, or an input that cannot be read; 3 success, but an input was truncated and only its first part was read.";

pub const DUMP: &str = "\
Examples:
  stillheap dump 12345              take a snapshot; prints its path, size and the pause
  stillheap dump 12345 --json
  stillheap dump 12345 --how attach --output app.heapsnapshot.zst

Where stillheap is loaded, dump sends the signal that the process waits for (SIGUSR2 by default) and waits until the file is complete. Any other Node.js process is attached to: it is stopped for some milliseconds while it forks a copy, and the copy is read. What that needs and what it costs: docs/attach.md. For a process in a container, give the PID that it has outside.";

pub const WATCH: &str = "\
Examples:
  stillheap watch -- node app.js    start a service and watch its heap
  stillheap watch 12345             a service that is running
  stillheap watch 12345 --json --for 10m

There is one sample after each full collection: the live size of the heap, the memory of the process, how fast the heap grows, and how long collections stopped the thread. Events are leaks, their end, and limits that are near. On a terminal the samples of a PID are drawn as a chart. The output of a started command stays where it is; the samples go to standard error.

A process that has not loaded stillheap is looked at from outside, every --every, without stopping it: the pages of its V8 heaps, garbage included, and its memory.";

pub const VERIFY: &str = "\
Examples:
  stillheap verify app.heapsnapshot.gz
  stillheap verify app.heapsnapshot && aws s3 cp app.heapsnapshot s3://…

Exit codes: 0 complete; 1 truncated or malformed, with what is missing and where; 2 the file cannot be read.";

pub const REDACT: &str = "\
Examples:
  stillheap redact app.heapsnapshot shareable.heapsnapshot.gz
  stillheap redact app.heapsnapshot out.heapsnapshot --source=keep
  stillheap redact monday.heapsnapshot 1.heapsnapshot --key team.key
  stillheap redact tuesday.heapsnapshot 2.heapsnapshot --key team.key

Strings, numbers, regular expressions, source text, directories of scripts, and property names that no code mentions become placeholders of the same length. Equal texts get equal placeholders. Classes, functions, variables, names in the source, sizes and the graph stay, so every command gives the same numbers. Keep the key secret: with it, a guess can be checked. What redaction cannot hide: docs/redact.md.";

pub const CONVERT: &str = "\
Examples:
  stillheap convert core.1234 -o app.heapsnapshot
  stillheap convert core.1234 -o app.heapsnapshot.zst --node /opt/node-22/bin/node

Every command reads core files directly. convert is for other tools, and for archives: a snapshot is a small part of its core. It holds the secrets of the process like the core; see 'stillheap redact'. How to get a core file, and which ones can be read: docs/core-dumps.md.";

pub const INFO: &str = "\
Examples:
  stillheap info 12345              a running process
  stillheap info core.1234
  stillheap info core.1234 --isolate 1 --json";

pub const STACK: &str = "\
Examples:
  stillheap stack 12345             where a running process is now
  stillheap stack 12345 --watch 1s --count 10
  stillheap stack core.1234
  stillheap stack core.1234 --json

For functions that ran in the interpreter, the position is where the function stood. For compiled functions it is where the function begins, and functions that were inlined into them are not shown. C++ frames are left out.";

pub const SUMMARY: &str = "\
Examples:
  stillheap summary app.heapsnapshot
  stillheap summary app.heapsnapshot --sort count --limit 0
  stillheap summary app.heapsnapshot --filter 'Email*'
  stillheap summary app.heapsnapshot --filter objectsRetainedByContexts
  stillheap summary app.heapsnapshot --json | jq '.classes[0]'

Shallow is the size of the objects themselves. Retained is what would be freed with them; retained sizes of classes overlap. Distance is the number of steps from a global object; - means that only V8 itself retains the objects.

DevTools' filters: objectsRetainedByContexts, objectsRetainedByDetachedDomNodes, objectsRetainedByConsole, objectsRetainedByEventHandlers, duplicatedStrings, sharedNativeContext, noNativeContext.";

pub const INSTANCES: &str = "\
Examples:
  stillheap instances app.heapsnapshot EmailTemplate
  stillheap instances app.heapsnapshot '{html, user}' --sort id --limit 5
  stillheap instances app.heapsnapshot '(string)' --filter '/^https?:/'

The numbers after @ are ids, for inspect, retainers, dominators and containment.";

pub const INSPECT: &str = "\
Examples:
  stillheap inspect app.heapsnapshot @12345
  stillheap inspect app.heapsnapshot @12345 --filter 'on*' --sort retained";

pub const RETAINERS: &str = "\
Examples:
  stillheap retainers app.heapsnapshot @12345
  stillheap retainers app.heapsnapshot @12345 --depth 4
  stillheap retainers app.heapsnapshot EmailTemplate --paths 5

For a class, equal retainers and equal paths are merged: the path that most objects share comes first. Paths of a class end at a root, or at another object of the class, as in a linked list.";

pub const DOMINATORS: &str = "\
Examples:
  stillheap dominators app.heapsnapshot                  from the root
  stillheap dominators app.heapsnapshot @12345 --depth 3

An object dominates another one if every path from the root to the other one leads through it.";

pub const CONTAINMENT: &str = "\
Examples:
  stillheap containment app.heapsnapshot                 from the root
  stillheap containment app.heapsnapshot @12345 --depth 3 --branch 10";

pub const STRINGS: &str = "\
Examples:
  stillheap strings app.heapsnapshot --duplicates
  stillheap strings app.heapsnapshot --duplicates --filter '/^SELECT/'
  stillheap strings app.heapsnapshot                     the largest strings

A long run of spaces is shown as ·× and its length.";

pub const CLOSURES: &str = "\
Examples:
  stillheap closures app.heapsnapshot
  stillheap closures app.heapsnapshot --filter handlers.js --sort contexts

All closures that are created in one scope share one context: a variable that one of them uses stays alive as long as any of them. Lines with 'shares' name the other functions of the same contexts.

Dead variables come first: no live function that can see them mentions them, so setting them to null, or creating the other functions elsewhere, frees what they hold. Functions whose source is neither in the snapshot nor on this machine count as readers.";

pub const TIMELINE: &str = "\
Examples:
  stillheap timeline app.heaptimeline
  stillheap timeline app.heaptimeline --sort live-count --filter handlers.js

Exit code 1: the file has no allocation timeline.";

pub const DIFF: &str = "\
Examples:
  stillheap diff before.heapsnapshot after.heapsnapshot
  stillheap diff 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot
  stillheap diff base.heapsnapshot new.heapsnapshot --fail-on 'EmailTemplate:count>100'
  stillheap diff base.heapsnapshot new.heapsnapshot --fail-on 'total:size>50MB'

Objects are matched by id within one process, otherwise classes are compared by their counts; the output says which. With three snapshots or more, a second table shows the classes over all of them.

A condition is CLASS:METRIC OPERATOR NUMBER. CLASS is a name, a key, a gl*b, a /regex/, or total. METRIC is count or size (the change), added, removed, addedSize, removedSize, newCount or newSize. OPERATOR is one of > >= < <= = !=. NUMBER may have a unit: kB, MB, GB, KiB, MiB, GiB. CLASS:grows holds if the class grows in every step. The exit code is 1 if a condition holds.";

pub const REPORT: &str = "\
Examples:
  stillheap report                               the snapshots in this directory
  stillheap report 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot -o leak.html

The page is one file for any browser. It loads nothing from the network. It holds names and texts from the heap, so treat it like the snapshot. It is written with mode 0600, and an existing file is not replaced without --overwrite.";

pub const MCP: &str = "\
The server speaks on standard input and output; the assistant's program starts it. A typical configuration:
  { \"mcpServers\": { \"stillheap\": { \"command\": \"npx\", \"args\": [\"stillheap\", \"mcp\"] } } }

The tools are those of this command line: leaks, open, summary, instances, inspect, retainers, dominators, containment, strings, closures, timeline, query, diff, report. The server reads only the files that a call names, and the scripts and source maps that belong to them. It sends nothing anywhere but its answers.";

pub const LEAKS: &str = "\
Examples:
  stillheap leaks                                the snapshots in this directory
  stillheap leaks 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot
  stillheap leaks before.heapsnapshot after.heapsnapshot --json
  stillheap leaks only.heapsnapshot              one snapshot: what stands out in it
  stillheap leaks *.heapsnapshot --source-maps dist
  stillheap leaks 12345 --every 5m  three snapshots of a running process, then the verdict

Take the snapshots under load, some minutes apart, after the service has warmed up. Three are best. Files may be given in any order: they are sorted by the time in their headers (else by Node's file names, object ids, or modification times), and several processes are judged separately. Without FILE, leaks takes the snapshots of the newest process in this directory and says which.

Object ids are not needed. Lines of code come from the snapshot, and from the scripts themselves if they are where the process had them and begin as the snapshot says.

One snapshot cannot show growth: leaks then lists what stands out, with a confidence.

Exit codes: 0 no leak, or one snapshot without --fail-on; 1 a leak; 2 wrong usage, or an input that cannot be read.";

pub const QUERY: &str = "\
Examples:
  stillheap query app.heapsnapshot 'class = Email* and retained > 1MB'
  stillheap query app.heapsnapshot 'type = closure and via = onClick'
  stillheap query app.heapsnapshot 'retainedBy(class = Map) and not name ~ cache'
  stillheap query app.heapsnapshot 'dominatedBy(id = @12345)' --sort self

Texts: class, name, type, edge (it has such a field), via (retained through such a field), with = != for equal or gl*b, ~ !~ for contains, or /regex/. Numbers: id, self (the shallow size), retained, distance, edges, retainers. Also: detached, retainedBy(…), holds(…), dominatedBy(…), and, or, not, parentheses. The whole language: docs/query.md.";

pub const COMPLETIONS: &str = "\
Examples:
  stillheap completions bash > ~/.local/share/bash-completion/completions/stillheap
  stillheap completions zsh > ~/.zfunc/_stillheap
  stillheap completions fish > ~/.config/fish/completions/stillheap.fish";
