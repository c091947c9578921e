//! One run: a new backend, proxy, folder and four processes, and a load on them. It ends with the
//! figures, and with the proof that every booking ended and nothing was doubled. A run without that
//! proof must never have figures.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use crate::{
    backend::Backend,
    counts::Counts,
    load,
    observer::Heard,
    place, proc,
    proxy::Proxy,
    results::Figures,
    services::{Consumer, Services, Store},
    setting::{Load, Setting},
    taken,
    topology::{Topology, names},
    verify,
    watchers::Watchers,
};

/// A run without progress for this long has failed.
const PATIENCE: Duration = Duration::from_secs(180);
/// The time between two looks at the progress of a run.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Runs a setting on this thread.
pub fn run(setting: &Setting) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(setting))
}

async fn measure(setting: &Setting) -> anyhow::Result<Figures> {
    let backend = Backend::start()?;
    let names = names().and_fifo(setting.fifo);
    let topology = Topology::make(backend.address, &names).await?;
    let proxy = Proxy::start(backend.address, setting.manner)?;
    let data = match &setting.stored {
        Some(it) => it.clone(),
        None => place::fresh("data")?,
    };
    let before = proc::usage(std::process::id())?.cpu_s;
    let mut figures = Figures::new();
    let mut heard = Heard::default();
    if setting.load == Load::Backlog {
        load::backlog(&proxy.client, &setting.numbers, &names).await?;
    }
    // The kernel accepts its connections, and nobody reads from them.
    let hanging = setting.traced.then(|| TcpListener::bind("127.0.0.1:0")).transpose()?;
    let collector = hanging.as_ref().map(TcpListener::local_addr).transpose()?;
    let mut services = Services::spawn((setting.consumer, setting.fifo), &proxy, &data, collector)?;
    let watchers = match setting.watched {
        true => Some(Watchers::begin(&services).await?),
        false => None,
    };
    let (mut counted, mut receives_before) = (Counts::default(), Vec::new());
    let mut logged_before = 0;
    if setting.load != Load::Backlog {
        polling(&proxy, &mut services).await?;
        counted = all(&proxy);
        logged_before = services.log_bytes()?;
        receives_before = proxy.services.iter().map(|it| it.counts()).collect();
    }
    let began = match setting.load {
        Load::Backlog => {
            drained(&topology, &mut services, setting.numbers.len()).await?;
            let first = proxy.services.iter().filter_map(|it| it.first_receive()).min();
            first.context("a service received")?
        }
        Load::Steady { per_s } => {
            let due = load::steady(&proxy.client, &setting.numbers, per_s, &names).await?;
            hear(&mut heard, &topology, &mut services, setting.numbers.len()).await?;
            taken::latencies(&mut figures, &heard, &due);
            drained(&topology, &mut services, 0).await?;
            due.values().min().copied().unwrap_or_else(Instant::now)
        }
        Load::Idle { during } => {
            let began = Instant::now();
            tokio::time::sleep(during).await;
            began
        }
    };
    let took = began.elapsed().as_secs_f64();
    let requests = all(&proxy).since(&counted);
    taken::usage(&mut figures, setting, &services, &proxy)?;
    if let Some(mut it) = watchers {
        it.saw(&mut figures).await?;
    }
    let bench_cpu_s = proc::usage(std::process::id())?.cpu_s - before;
    if setting.load != Load::Backlog {
        taken::pace(&mut figures, &proxy, &receives_before, took);
    }
    let bookings = setting.numbers.len() as f64;
    if bookings > 0.0 {
        let mut add = |name: &str, value| {
            figures.insert(name.to_owned(), value);
        };
        add("bench_cpu_s_per_1000", bench_cpu_s * 1000.0 / bookings);
        add("backend_cpu_s_per_1000", proc::usage(backend.pid())?.cpu_s * 1000.0 / bookings);
        add("bookings_per_s", bookings / took);
        add("added_ms", proxy.services.first().map_or(0.0, |it| it.added_ms()));
        add("requests_per_booking", requests.total() as f64 / bookings);
        add("log_bytes_per_booking", (services.log_bytes()? - logged_before) as f64 / bookings);
        add("usd_per_million", requests.usd() / bookings * 1e6);
        for (name, count) in requests.iter() {
            add(&format!("requests.{name}"), count as f64 / bookings);
        }
    }
    services.alive()?;
    services.agree(&proxy).await?;
    let dead = topology.set_aside().await?;
    ensure!(dead == 0, "{dead} messages were set aside");
    while heard.receive(&topology, false).await? > 0 {}
    heard.check(&setting.numbers)?;
    figures.insert("repeats".to_owned(), heard.repeats as f64);
    prove(setting, services, proxy, &data).await?;
    if setting.stored.is_none() {
        place::spent(&data)?;
    }
    Ok(figures)
}

/// The requests at all five doors.
fn all(proxy: &Proxy) -> Counts {
    let services: Vec<Counts> = proxy.services.iter().map(|it| it.counts()).collect();
    Counts::sum(services.iter().chain([&proxy.client.counts()]))
}

/// Waits until all four services have received for the first time.
async fn polling(proxy: &Proxy, services: &mut Services) -> anyhow::Result<()> {
    let began = Instant::now();
    while proxy.services.iter().any(|it| it.first_receive().is_none()) {
        services.alive()?;
        ensure!(began.elapsed() < PATIENCE, "a service does not receive");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // Give those first receives the time to reach the backend.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

/// Waits until this many receipts were announced and the queues are empty.
async fn drained(
    topology: &Topology,
    services: &mut Services,
    receipts: usize,
) -> anyhow::Result<()> {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        let announced = topology.announced().await?;
        if announced >= receipts && topology.at_rest().await? {
            return Ok(());
        }
        if announced != seen {
            (seen, moved) = (announced, Instant::now());
            services.alive()?;
        }
        ensure!(moved.elapsed() < PATIENCE, "{announced} of {receipts} receipts, then nothing");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Listens until this many bookings have their receipt.
async fn hear(
    heard: &mut Heard,
    topology: &Topology,
    services: &mut Services,
    bookings: usize,
) -> anyhow::Result<()> {
    let mut moved = Instant::now();
    while heard.at.len() < bookings {
        if heard.receive(topology, true).await? > 0 {
            moved = Instant::now();
        }
        ensure!(moved.elapsed() < PATIENCE, "{} of {bookings}, then nothing", heard.at.len());
    }
    services.alive()
}

/// Stops the services, and checks that every booking ended and nothing was doubled.
async fn prove(
    setting: &Setting,
    mut services: Services,
    proxy: Proxy,
    data: &std::path::Path,
) -> anyhow::Result<()> {
    let in_memory = matches!(setting.consumer, Consumer::Booking { store: Store::Memory, .. });
    if in_memory {
        verify::memory(&services, data, &setting.numbers).await?;
    }
    services.terminate()?;
    // This ends the open receives, for which the services would wait.
    drop(proxy);
    services.ended()?;
    match setting.consumer {
        Consumer::Booking { store: Store::Sqlite, .. } if setting.stored.is_some() => {
            verify::files_among_others(data, &setting.numbers)
        }
        Consumer::Booking { store: Store::Sqlite, .. } => verify::files(data, &setting.numbers),
        Consumer::Booking { store: Store::Memory, .. } | Consumer::Loop(_) => Ok(()),
    }
}
