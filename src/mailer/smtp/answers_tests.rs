//! The table of answers, a line for each.

use super::answers::*;
use crate::mailer::Meaning::{self, AddressRefused, NotNow, Undecided, WeAreRefused};

fn meaning(step: Step, code: u16, text: &str) -> Meaning {
    Failure { step, why: Why::Answered(Answer::read(code, text, None)) }.meaning()
}

/// Failure matrix: E13.
#[test]
fn an_answer_is_about_the_address_or_about_us_or_about_neither() {
    for (step, code, text, wanted) in [
        // The addressee, for good.
        (Step::To, 550, "5.1.1 <ada@example.com>: User unknown", AddressRefused),
        (Step::To, 550, "No such user here", AddressRefused),
        (Step::To, 551, "User not local", AddressRefused),
        (Step::To, 552, "5.2.2 Mailbox full", AddressRefused),
        (Step::To, 553, "Mailbox name not allowed", AddressRefused),
        (Step::To, 550, "5.4.4 Host not found", AddressRefused),
        (Step::To, 556, "5.1.10 Recipient address has null MX", AddressRefused),
        (Step::Text, 550, "5.1.1 ada@example.com is unknown", AddressRefused),
        (Step::Text, 554, "5.2.1 Mailbox disabled", AddressRefused),
        (Step::Text, 554, "5.6.0 Cannot be converted", AddressRefused),
        // The addressee, for now.
        (Step::To, 450, "4.2.0 Greylisted", Undecided),
        (Step::To, 450, "Mailbox busy", Undecided),
        (Step::To, 452, "4.2.2 Mailbox full", Undecided),
        (Step::Text, 451, "4.2.1 Mailbox is locked", Undecided),
        // Its text, in which a client chose the name: it must not stop all others.
        (Step::Text, 554, "Transaction failed", Undecided),
        (Step::Text, 550, "5.7.1 Looks like spam", Undecided),
        (Step::Text, 451, "4.7.1 Looks like spam", Undecided),
        (Step::Text, 552, "5.3.4 Too large", Undecided),
        (Step::Text, 550, "SPF check failed", Undecided),
        (Step::To, 550, "5.7.1 <ada@example.com>: Recipient address rejected", Undecided),
        (Step::To, 554, "Delivery error", Undecided),
        (Step::To, 451, "4.7.1 Greylisted", Undecided),
        (Step::To, 450, "4.7.1 Too much mail from you", Undecided),
        (Step::To, 451, "4.4.3 The domain does not answer", Undecided),
        // A client chose the address and the domain that are repeated.
        (Step::To, 550, "<relay@example.com>: no such user", AddressRefused),
        (Step::To, 550, "relay.example.com: no such domain", AddressRefused),
        (Step::To, 550, "5.1.1 User unknown in relay recipient table", AddressRefused),
        // What begins like a code, and is an address of a client or of a network.
        (Step::To, 550, "5.3.0.x@example.com... User unknown", AddressRefused),
        (Step::To, 550, "5.3.0@example.com: user unknown", AddressRefused),
        (Step::To, 550, "5.3.0.7 is blocked", AddressRefused),
        (Step::To, 550, "5.0.0 No", AddressRefused),
        (Step::To, 541, "No", Undecided),
        (Step::To, 571, "No", Undecided),
        (Step::To, 500, "What?", WeAreRefused),
        // Its form is one that the server does not know, or its domain takes no mail.
        (Step::To, 501, "Malformed address", AddressRefused),
        (Step::To, 556, "No mail for this domain", AddressRefused),
        // Us.
        (Step::Connect, 554, "5.7.1 You are listed", WeAreRefused),
        (Step::StartTls, 502, "Not implemented", WeAreRefused),
        (Step::Login, 535, "5.7.8 Bad password hunter2", WeAreRefused),
        (Step::Login, 550, "5.1.1 Unknown", WeAreRefused),
        (Step::From, 530, "5.7.0 Must issue a STARTTLS command first", WeAreRefused),
        (Step::From, 550, "5.7.1 Sender not yours", WeAreRefused),
        (Step::From, 553, "5.1.8 Sender domain unknown", WeAreRefused),
        (Step::To, 530, "5.7.0 Authentication required", WeAreRefused),
        (Step::To, 550, "5.7.1 Relaying denied", WeAreRefused),
        (Step::To, 550, "relay not permitted", WeAreRefused),
        (Step::To, 553, "sorry, that domain isn't in my list of allowed rcpthosts", WeAreRefused),
        (Step::To, 554, "Relay access denied", WeAreRefused),
        (Step::To, 550, "5.1.7 Bad sender", WeAreRefused),
        (Step::To, 503, "5.5.1 MAIL first", WeAreRefused),
        (Step::Data, 550, "No", WeAreRefused),
        (Step::Data, 554, "5.5.1 No valid recipients", WeAreRefused),
        // Neither.
        (Step::Connect, 421, "4.3.2 Too many connections", NotNow),
        (Step::Login, 454, "4.7.0 Temporary authentication failure", NotNow),
        (Step::From, 451, "4.3.0 Try later", NotNow),
        (Step::From, 450, "4.1.8 Sender domain not found", NotNow),
        (Step::To, 421, "4.2.1 Closing", NotNow),
        (Step::To, 451, "Local error", NotNow),
        (Step::To, 452, "4.3.1 Disk full", NotNow),
        (Step::Data, 451, "4.3.0 Try later", NotNow),
        (Step::Text, 452, "4.3.1 Disk full", NotNow),
    ] {
        assert_eq!(meaning(step, code, text), wanted, "{step} {code} {text}");
    }
}

#[test]
fn a_name_that_a_server_repeats_by_itself_is_not_read() {
    let said = |name| {
        let why = Why::Answered(Answer::read(550, "relay unknown user account", name));
        Failure { step: Step::To, why }.meaning()
    };
    assert_eq!(said(Some("relay")), AddressRefused);
    assert_eq!(said(Some("ada")), WeAreRefused);
}

#[test]
fn no_failure_tells_what_the_server_said() {
    let told = |step, code, text: &str| {
        Failure { step, why: Why::Answered(Answer::read(code, text, None)) }.to_string()
    };
    let refused = told(Step::To, 550, "5.1.1 <ada@example.com>: nobody");
    assert_eq!(refused, "the mail server answers 550 5.1.1 to RCPT TO");
    let login = told(Step::Login, 535, "hunter2 is wrong");
    assert_eq!(
        login,
        "the mail server answers 535 to the login; look at --smtp-user and its password"
    );
    // What only looks like an enhanced status code is none.
    for text in ["192.0.2.1 is blocked", "5.x.1 no", "5.1", "6.1.1 no"] {
        assert_eq!(
            told(Step::Text, 451, text),
            "the mail server answers 451 to the text of the mail"
        );
    }
}
