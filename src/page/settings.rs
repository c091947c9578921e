//! What an operator chooses about the page.

use std::sync::Arc;

use jiff::SignedDuration;

use super::trace_url::TraceUrl;
use crate::vitals::Watch;

/// What an operator chooses about the page.
#[derive(Clone)]
pub struct Settings {
    /// How long an open booking may go without news before it counts as stuck.
    pub stuck_after: SignedDuration,
    /// Where the trace of a booking can be seen; without it, the page shows only its id.
    pub trace_url: Option<TraceUrl>,
    /// Looks at the queues; without it, the page says where their depths can be seen.
    pub watch: Option<Arc<dyn Watch>>,
}
