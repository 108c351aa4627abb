//! `report`: one page about all that is known.

use stillheap_questions::{Failure, Opened, Scripts};
use stillheap_render::{size, visible};
use stillheap_report::OutputFile;

use crate::answer::fitted;
use crate::args::ReportArgs;
use crate::console::{Console, of_output, say};
use crate::{find, load};

/// Makes the page and writes it; the second half of the result is whether an input was truncated.
pub fn report(args: &ReportArgs) -> Result<(Console, bool), Failure> {
    let to_stdout = load::is_stdin(&args.output);
    if to_stdout && args.common.json {
        return Err(Failure::argument(
            "standard output cannot be both the page and --json: name a file with -o",
        ));
    }
    let inputs = find::given(&args.files)?;
    let place = OutputFile { output: args.output.clone(), overwrite: args.overwrite };
    let scripts = Scripts::new(args.source_maps.as_deref());
    let written =
        |failure| of_output(failure, &args.output, "Use --overwrite, or choose another name with -o.");
    if !to_stdout {
        place.refuse_early(&inputs).map_err(written)?;
    }
    let files = load::open_all(&inputs, &args.common)?;
    let all: Vec<&Opened> = files.iter().collect();
    let mut console = Console::new();
    if to_stdout {
        console.text(&load::working("analysing", || stillheap_report::make(&all, args.as_given, &scripts))?);
    } else {
        let outcome =
            load::working("analysing", || stillheap_report::write(&all, args.as_given, &place, &scripts))
                .map_err(written)?;
        outcome.notes.iter().for_each(|note| say(note));
        if args.common.json {
            console.json(&outcome);
        } else {
            let (name, size) = (visible(&outcome.report), size(outcome.bytes));
            let line = format!("Wrote {name} ({size}). Open it in a browser.");
            let look = console.look();
            console.text(&(fitted(look, &line, 0, 2) + "\n"));
        }
    }
    let salvaged = all.iter().any(|file| file.salvage().is_some());
    all.iter().for_each(|file| {
        file.write_index();
    });
    std::mem::forget(files);
    Ok((console, salvaged))
}
