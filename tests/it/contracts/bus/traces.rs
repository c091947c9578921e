//! The context of a trace beside each message.

use booking::{
    bus::Queue,
    domain::RoleName,
    wire::{self, Message, TraceContext},
};
use futures_util::future::join_all;

use super::{Anywhere, message, say, take_many};

/// Of several messages that leave together, too.
pub(super) async fn each_message_brings_the_context_that_it_was_sent_with(world: &impl Anywhere) {
    let bus = world.bus(RoleName::Payment).await;
    let context = |at: u8, state: Option<&str>| {
        let parent = format!("00-0af7651916cd43dd8448eb211c80319c-00000000000000{at:02x}-01");
        TraceContext::read(&parent, state)
    };
    let contexts = [context(1, Some("vendor=1,other=2")), context(2, None), None];
    let sent = (contexts.iter().enumerate())
        .map(|(at, it)| Message { trace: it.clone(), ..message(&format!("traced-{at}")) });
    let sent: Vec<Message> = sent.collect();
    for published in join_all(sent.iter().map(|it| say(&bus, it))).await {
        published.unwrap();
    }
    for mut delivery in take_many(&bus, sent.len()).await {
        delivery.incoming.take_up();
        let event = wire::decode(&delivery.incoming, &world.intake()).unwrap();
        let body = wire::encode(&event).unwrap().body;
        let hop = delivery.incoming.hop.take().unwrap();
        let sent = sent.iter().find(|it| wire_id(&it.body) == wire_id(&body)).unwrap();
        let mut context = sent.trace.clone();
        if !world.brings_trace_states()
            && let Some(it) = &mut context
        {
            it.state = None;
        }
        assert_eq!(hop.context, context);
        assert!(hop.message_id.is_some(), "and the id that SNS gave it");
        bus.delete(&delivery.receipt_handle).await.unwrap();
    }
}

/// The booking that an event is about.
fn wire_id(body: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(body).unwrap();
    event["subject"].as_str().unwrap().to_owned()
}
