//! `cargo run --release -p stillheap-redact --example redact < IN > OUT`: for profiling, without files or compression.
#![expect(clippy::print_stderr, reason = "an example")]

use std::io::Read;

use stillheap_redact::{Key, Options, Redactor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut redactor = Redactor::new(Options { source: true, key: Key::random()? });
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match input.read(&mut buffer)? {
            0 => break,
            count => redactor.feed(&buffer[..count], &mut output)?,
        }
    }
    eprintln!("{:?}", redactor.finish(&mut output)?);
    Ok(())
}
