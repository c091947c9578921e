//! The roads on which the same bookings can go, and what is particular to each: nothing here may
//! start anything.

use serde::{Deserialize, Serialize};

/// How the services hear of each other, or who asks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Road {
    Sns,
    EventBridge,
    Fifo,
    Lambda,
    StepFunctions,
}

impl Road {
    /// All of them, in the order of the tables.
    pub const MEASURED: [Road; 5] =
        [Road::Sns, Road::EventBridge, Road::Fifo, Road::Lambda, Road::StepFunctions];

    /// As BOOKING_COMPARE_ROAD and the files of results name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Road::Sns => "sns",
            Road::EventBridge => "event-bridge",
            Road::Fifo => "fifo",
            Road::Lambda => "lambda",
            Road::StepFunctions => "step-functions",
        }
    }

    /// As the head of a column.
    pub const fn title(self) -> &'static str {
        match self {
            Road::Sns => "SNS",
            Road::EventBridge => "EventBridge",
            Road::Fifo => "FIFO",
            Road::Lambda => "Lambda",
            Road::StepFunctions => "Step Functions",
        }
    }

    /// What stands between the services, besides their queues.
    pub const fn middle(self) -> &'static str {
        match self {
            Road::Sns | Road::Fifo | Road::Lambda => "the topics",
            Road::EventBridge => "the event bus",
            Road::StepFunctions => "the orchestrator",
        }
    }

    /// The AWS service of the middle, as a request names it.
    pub const fn middle_service(self) -> &'static str {
        match self {
            Road::Sns | Road::Fifo | Road::Lambda => "sns",
            Road::EventBridge => "events",
            Road::StepFunctions => "states",
        }
    }

    /// Whether nobody says whose turn it is.
    pub const fn is_choreographed(self) -> bool {
        !matches!(self, Road::StepFunctions)
    }

    /// The settings of a service on this road.
    pub const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Road::Sns | Road::Lambda => &[],
            Road::EventBridge => &[("BOOKING_EVENTS", "eventbridge")],
            Road::Fifo => &[("BOOKING_FIFO", "true")],
            Road::StepFunctions => &[("BOOKING_INTEGRATION", "step-functions")],
        }
    }
}

impl std::str::FromStr for Road {
    type Err = String;

    fn from_str(text: &str) -> Result<Road, String> {
        let found = Road::MEASURED.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| format!("{text} is no road that can be measured"))
    }
}
