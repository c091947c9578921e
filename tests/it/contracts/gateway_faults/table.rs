//! The table of faults: every planned fault has exactly one ending. The test prints the table, and
//! every ending is checked against the provider's own lists.

use super::payment::{Ended, KEPT, KEPT_MAX, Payment, no_seat, request};
use crate::{
    contracts::gateway::booking,
    harness::{Moved, Stripe, say, skipped},
};

/// One row of the table: the planned faults, and the ending that they must have.
struct Row {
    plan: &'static [(&'static str, &'static [&'static str])],
    token: &'static str,
    /// Whether payment hears afterwards that there is no seat.
    no_seat: bool,
    deliveries: u32,
    charges: usize,
    refunds: usize,
    /// The states of the intents that took no money.
    others: &'static [&'static str],
    /// What was announced, or why the last delivery was given back or set aside.
    ending: &'static str,
}

const PAID: Row = Row {
    plan: &[],
    token: "tok_visa",
    no_seat: false,
    deliveries: 1,
    charges: 1,
    refunds: 0,
    others: &[],
    ending: "payment-ok",
};
const DECLINED: Row = Row {
    token: "tok_declined",
    charges: 0,
    others: &["requires_payment_method"],
    ending: "payment-failed declined",
    ..PAID
};
/// The card holder would have to confirm (failure matrix, D23).
const WANTS_ITS_HOLDER: Row = Row {
    token: "tok_wants_its_holder",
    charges: 0,
    others: &["canceled"],
    ending: "payment-failed authentication_required",
    ..PAID
};
const REFUNDED: Row = Row {
    no_seat: true,
    deliveries: 2,
    refunds: 1,
    ending: "payment-ok, payment-refunded",
    ..PAID
};
const OPEN: &str = "could not finish the outside effect: no answer yet from the gateway to ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_as_the_table_of_faults_says() {
    if skipped("stripe") {
        return;
    }
    let kept = format!("{OPEN}a charge: {KEPT}");
    let refund_kept = format!("{OPEN}a refund: {KEPT}");
    let rows = [
        PAID,
        Row { plan: &[("charge", &["cut_before"])], deliveries: 2, ..PAID },
        Row { plan: &[("charge", &["cut_after"])], deliveries: 2, ..PAID },
        Row { plan: &[("charge", &["cut_after"]), ("find", &["lagging"])], deliveries: 2, ..PAID },
        Row { plan: &[("charge", &["cut_after"]), ("find", &["down"])], deliveries: 3, ..PAID },
        Row { plan: &[("charge", &["late"])], deliveries: 2, ..PAID },
        Row { plan: &[("charge", &["late"]), ("find", &["lagging"])], deliveries: 2, ..PAID },
        Row { plan: &[("charge", &["twice"])], ..PAID },
        Row { plan: &[("charge", &["down", "down"])], deliveries: 3, ..PAID },
        Row { plan: &[("charge", &["limited"])], deliveries: 2, ..PAID },
        Row { plan: &[("charge", &["locked"])], deliveries: 2, ..PAID },
        // A day later the charge is found, although its key is forgotten (failure matrix, D20).
        Row {
            plan: &[("charge", &["cut_after"]), ("find", &["forgotten"])],
            deliveries: 2,
            ..PAID
        },
        Row {
            plan: &[("charge", &["cut_before"]), ("find", &["forgotten"])],
            deliveries: 2,
            ..PAID
        },
        // The key is forgotten before the charge is asked for again, and nothing but the look-up
        // prevents a second charge (failure matrix, D20).
        Row { plan: &[("charge", &["cut_after", "forgotten"])], deliveries: 2, ..PAID },
        // The card was charged, and the key answers with a stored failure. The look-up finds the
        // charge (failure matrix, D22).
        Row { plan: &[("charge", &["done_failure_kept"])], deliveries: 2, ..PAID },
        // The card was not charged, and the key answers with a stored failure until Stripe forgets
        // the key (failure matrix, D22).
        Row {
            plan: &[("charge", &["failure_kept"]), ("find", &["ok", "forgotten"])],
            deliveries: 3,
            ..PAID
        },
        Row {
            plan: &[("charge", &["failure_kept"])],
            deliveries: 1 + KEPT_MAX,
            charges: 0,
            ending: &kept.leak()[..],
            ..PAID
        },
        DECLINED,
        Row { plan: &[("charge", &["cut_after"])], deliveries: 2, ..DECLINED },
        // A decline that the look-up finds is the answer, and the card is not asked again.
        Row { plan: &[("charge", &["cut_after", "forgotten"])], deliveries: 2, ..DECLINED },
        WANTS_ITS_HOLDER,
        Row { plan: &[("charge", &["cut_after"])], deliveries: 2, ..WANTS_ITS_HOLDER },
        Row { plan: &[("charge", &["cut_after", "forgotten"])], deliveries: 2, ..WANTS_ITS_HOLDER },
        // The intent was cancelled, and the key of the cancellation answers with a stored failure.
        Row {
            plan: &[("cancel", &["done_failure_kept"]), ("find", &["lagging"])],
            deliveries: 2,
            ..WANTS_ITS_HOLDER
        },
        Row { plan: &[("cancel", &["cut_after"])], deliveries: 2, ..WANTS_ITS_HOLDER },
        // Other money was taken than was asked for (failure matrix, D18).
        Row {
            plan: &[("charge", &["other_amount"])],
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        // The money was given back, and payment was interrupted before it could say so.
        Row {
            plan: &[("charge", &["other_amount"]), ("refund", &["cut_after"])],
            deliveries: 2,
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        // It is an amount that no request can have.
        Row {
            plan: &[("charge", &["other_currency"])],
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        Row {
            plan: &[("charge", &["other_currency"]), ("refund", &["cut_after"])],
            deliveries: 2,
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        Row {
            plan: &[("charge", &["other_currency"]), ("refund", &["cut_after", "forgotten"])],
            deliveries: 2,
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        Row {
            plan: &[("charge", &["other_currency"]), ("refund", &["undecided"])],
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        Row {
            plan: &[("charge", &["other_currency"]), ("refund", &["done_failure_kept"])],
            deliveries: 2,
            refunds: 1,
            ending: "payment-failed invalid",
            ..PAID
        },
        Row { plan: &[("charge", &["undecided"])], ..PAID },
        // The intent is still undecided when it is read, and then when the look-up finds it.
        Row {
            plan: &[("charge", &["undecided"]), ("look", &["undecided", "undecided"])],
            deliveries: 3,
            ..PAID
        },
        REFUNDED,
        Row { plan: &[("refund", &["undecided"])], ..REFUNDED },
        Row { plan: &[("refund", &["cut_before"])], deliveries: 3, ..REFUNDED },
        Row { plan: &[("refund", &["cut_after"])], deliveries: 3, ..REFUNDED },
        Row { plan: &[("refund", &["late"])], deliveries: 3, ..REFUNDED },
        Row { plan: &[("refund", &["twice"])], ..REFUNDED },
        Row { plan: &[("refund", &["locked", "limited", "down"])], deliveries: 5, ..REFUNDED },
        // The refund was made long ago, under a key that is forgotten.
        Row { plan: &[("refund", &["cut_after", "forgotten"])], deliveries: 3, ..REFUNDED },
        Row { plan: &[("refund", &["done_failure_kept"])], deliveries: 3, ..REFUNDED },
        Row {
            plan: &[("refund", &["failure_kept"])],
            deliveries: 2 + KEPT_MAX,
            refunds: 0,
            ending: &refund_kept.leak()[..],
            ..REFUNDED
        },
    ];
    let stripe = Stripe::running();
    let payment = Payment::new(stripe.gateway());
    let mut table = vec!["| fault | deliveries | charges | refunds | ending |".to_owned()];
    for row in rows {
        let id = booking("row");
        stripe.plan(&id, row.plan).await;
        let mut ended = payment.deliver(&request(&id, row.token)).await;
        if row.no_seat {
            let refunded = payment.deliver(&no_seat(&id)).await;
            ended = Ended { deliveries: ended.deliveries + refunded.deliveries, ..refunded };
        }
        let Moved { charges, refunds, others } = stripe.moved_of(&id).await;
        let said = payment.said.of(&id).join(", ");
        let ending = if ended.how == "done" { said } else { ended.how };
        let seen = (ended.deliveries, charges.len(), refunds.len(), ending.as_str());
        let wanted = (row.deliveries, row.charges, row.refunds, row.ending);
        assert_eq!(seen, wanted, "{} under {:?}", row.token, row.plan);
        assert_eq!(others, row.others, "{} under {:?}", row.token, row.plan);
        let plan: Vec<String> =
            row.plan.iter().map(|(of, it)| format!("{of}: {}", it.join(", "))).collect();
        let plan = if plan.is_empty() { "none".to_owned() } else { plan.join("; ") };
        let (deliveries, charges, refunds, ending) = seen;
        let token = row.token;
        table.push(format!(
            "| {plan} ({token}) | {deliveries} | {charges} | {refunds} | {ending} |"
        ));
    }
    say(&table.join("\n"));
}
