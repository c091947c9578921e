mod pipeline;
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).filter(|it| it != "--bench");
    let store = args.next().unwrap_or("sqlite".into());
    let n: u64 = args.next().unwrap_or("5000".into()).parse()?;
    let data = std::path::PathBuf::from(format!("target/pipeline-{}", std::process::id()));
    std::fs::create_dir_all(&data)?;
    let it =
        if store == "memory" { pipeline::memory(&data, n)? } else { pipeline::sqlite(&data, n)? };
    println!(
        "{store}: {n} bookings {:.2}s {:.0}/s cpu {:.1} us/booking",
        it.seconds,
        n as f64 / it.seconds,
        it.cpu_seconds * 1e6 / n as f64
    );
    if store != "memory" {
        let evidence = booking::audit::Evidence::read(&data)?;
        println!("{:?} {:?}", evidence.endings(), evidence.violations().len());
    }
    let _ = std::fs::remove_dir_all(&data);
    Ok(())
}
