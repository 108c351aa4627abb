//! Attaches to a process again and again, for measurements and long runs (benchmark/attach):
//!
//!     cargo run --release -p stillheap-attach --example freeze -- PID COUNT [HOLD_MS]
//!
//! Each attach freezes a copy, keeps it for `HOLD_MS`, and ends it. Prints a line of JSON for each.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;
    use std::time::Duration;

    use stillheap_attach::{Options, Target, freeze};

    let numbers: Vec<u64> = std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [pid, count, ref rest @ ..] = numbers[..] else {
        return Err("usage: freeze PID COUNT [HOLD_MS]".into());
    };
    let hold = Duration::from_millis(rest.first().copied().unwrap_or(0));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut out = std::io::stdout();
    for _ in 0..count {
        let options = Options::default();
        let frozen = Target::examine(u32::try_from(pid)?, &options)
            .and_then(|target| freeze(&target, &options, |_| Ok(())));
        match frozen {
            Ok(frozen) => {
                let pause = frozen.pause();
                std::thread::sleep(hold);
                let whole = frozen.check().is_ok();
                let reaped = frozen.end().reaped;
                writeln!(
                    out,
                    "{{\"ok\":true,\"pauseMs\":{:.3},\"stopMs\":{:.3},\"forkMs\":{:.3},\"restoreMs\":{:.3},\"helpersMs\":{:.3},\
                     \"whole\":{whole},\"reaped\":{reaped}}}",
                    ms(pause.total),
                    ms(pause.stopping),
                    ms(pause.forking),
                    ms(pause.restoring),
                    ms(pause.helpers)
                )?;
            }
            Err(refusal) => {
                writeln!(
                    out,
                    "{{\"ok\":false,\"kind\":\"{:?}\",\"message\":{:?}}}",
                    refusal.kind,
                    refusal.to_string()
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {}
