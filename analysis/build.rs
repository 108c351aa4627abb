fn main() {
    napi_build::setup();
    // Node unloads an addon when the last environment that loaded it is gone, for instance a worker; work that
    // is still under way on another thread would then run in unmapped memory.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
