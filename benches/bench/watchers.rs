//! People who look at the page of status while bookings come in: many have the overview open, and
//! one goes through the pages without a pause. They must never ask for less than a browser would.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use booking::domain::RoleName;
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    results::{Figures, percentile},
    services::Services,
};

/// How many have the overview open, with its list.
const STREAMS: usize = 200;
/// The pages of the one that goes through them. Those of a flight and a day are of stored bookings.
const PAGES: [&str; 5] = [
    "/",
    "/page/list?show=newest",
    "/page/list?flight=BN150",
    "/page/list?flight=BN150&date=2027-03-01",
    "/bookings?limit=200",
];
/// The time from an answer to the next question.
const THINKS: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

/// They look until this is dropped.
pub struct Watchers {
    streams: Vec<JoinHandle<()>>,
    reader: JoinHandle<anyhow::Result<()>>,
    /// How long each page took, in milliseconds.
    took: Arc<std::sync::Mutex<Vec<f64>>>,
    /// How many frames have come over the streams.
    frames: Arc<AtomicUsize>,
    began: Instant,
}

impl Watchers {
    /// Opens the streams, and returns once each has brought something.
    pub async fn begin(services: &Services) -> anyhow::Result<Watchers> {
        let http = services.http(RoleName::Status).context("status has a page")?;
        let at = |path: &str| format!("http://{http}{path}");
        let client = reqwest::Client::new();
        let until = Instant::now() + PATIENCE;
        while client.get(at("/health")).send().await.is_err() {
            ensure!(Instant::now() < until, "status does not listen");
            sleep(Duration::from_millis(25)).await;
        }
        let frames = Arc::new(AtomicUsize::new(0));
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            let mut answer = client.get(at("/events?list=yes")).send().await?;
            ensure!(answer.status().is_success(), "a stream was refused: {}", answer.status());
            ensure!(answer.chunk().await?.is_some(), "a stream ended");
            let frames = Arc::clone(&frames);
            streams.push(tokio::spawn(async move {
                while let Ok(Some(_)) = answer.chunk().await {
                    frames.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let took = Arc::default();
        let pages = PAGES.map(at);
        let reader = tokio::spawn(read(client, pages, Arc::clone(&took)));
        Ok(Watchers { streams, reader, took, frames, began: Instant::now() })
    }

    /// What they saw: how long a page took, and how often a stream brought something. Fails if one
    /// of them was cut off.
    pub async fn saw(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let ended = self.streams.iter().filter(|it| it.is_finished()).count();
        ensure!(ended == 0, "{ended} streams ended");
        if self.reader.is_finished() {
            (&mut self.reader).await?.context("a page was not answered")?;
        }
        let took = self.took.lock().map_err(|_| anyhow::anyhow!("a reader panicked"))?;
        ensure!(took.len() >= PAGES.len(), "only {} pages were answered", took.len());
        let frames = self.frames.load(Ordering::Relaxed) as f64;
        let elapsed_s = self.began.elapsed().as_secs_f64();
        figures.insert("page_p50_ms".to_owned(), percentile(&took, 50));
        figures.insert("page_p99_ms".to_owned(), percentile(&took, 99));
        figures.insert("frames_per_s".to_owned(), frames / STREAMS as f64 / elapsed_s);
        Ok(())
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.streams.iter().for_each(JoinHandle::abort);
        self.reader.abort();
    }
}

/// Asks for one page after the other, for ever.
async fn read(
    client: reqwest::Client,
    pages: [String; PAGES.len()],
    took: Arc<std::sync::Mutex<Vec<f64>>>,
) -> anyhow::Result<()> {
    loop {
        for page in &pages {
            let asked = Instant::now();
            let answer = client.get(page).send().await?.error_for_status()?;
            answer.bytes().await?;
            let ms = asked.elapsed().as_secs_f64() * 1000.0;
            took.lock().map_err(|_| anyhow::anyhow!("a reader panicked"))?.push(ms);
            sleep(THINKS).await;
        }
    }
}
