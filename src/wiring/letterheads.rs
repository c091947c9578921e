//! Builds the letterhead of receipts from the settings.

use std::sync::Arc;

use super::parts::schedule;
use crate::{
    config::{Attached, MailArgs},
    fault::Fault,
    mailer::{Letterhead, fonts::Fonts},
};

/// The letterhead that the settings describe. `attach` says whether a PDF is attached if no setting
/// says so.
///
/// # Errors
/// If the schedule or a font cannot be read, or an address is none.
pub(super) fn letterhead(mail: &MailArgs, attach: Attached) -> Result<Arc<Letterhead>, Fault> {
    let args = &mail.letters;
    let refused = |setting: &str, it| Fault::Config(format!("{setting}: {it}"));
    let mut head = Letterhead::new(&mail.mail_from).map_err(|it| refused("--mail-from", it))?;
    if let Some(contact) = &args.mail_contact {
        head = head.with_contact(contact).map_err(|it| refused("--mail-contact", it))?;
    }
    if let Some(flights) = &args.flights {
        head = head.with_schedule(schedule(flights)?);
    }
    if args.mail_pdf.unwrap_or(attach) == Attached::On {
        let fonts = match &args.mail_fonts {
            None => Ok(Fonts::built_in()),
            Some(folder) => Fonts::and_of(folder),
        };
        head = head.with_pdf(fonts.map_err(|it| Fault::Config(format!("--mail-fonts: {it}")))?);
    }
    Ok(Arc::new(head))
}
