use stillheap_attach::{Options, Target, freeze};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let pid = args[1].parse().unwrap();
    let count: u32 = args.get(2).map_or(1, |c| c.parse().unwrap());
    let options = Options::default();
    for _ in 0..count {
        let target = match Target::examine(pid, &options) {
            Ok(t) => t,
            Err(e) => {
                println!("{e}");
                return;
            }
        };
        match freeze(&target, &options) {
            Ok(f) => {
                let (p, c) = (f.pause(), f.copy());
                let e = f.end();
                println!("copy {c} {p:?} {e:?}");
            }
            Err(e) => println!("refused {e}"),
        }
    }
}
