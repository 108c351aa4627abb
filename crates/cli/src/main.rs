//! The command line as a program of its own, for cargo and the benchmarks; npm's goes through the addon.
#![forbid(unsafe_code)]

fn main() {
    std::process::exit(stillheap_cli::run(std::env::args_os().skip(1)));
}
