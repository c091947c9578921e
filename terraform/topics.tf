# Reads the choreography from topics/, which has one file for each topic. Publishers and subscribers
# are written nowhere else: every queue, subscription and policy of this module follows from these
# files. With events = "eventbridge" the events go over one event bus instead of topics: event-bus.tf
# has it. With fifo, topics and queues are FIFO. With integration = "step-functions" nobody publishes or
# subscribes: orchestration.tf has what comes instead.

locals {
  # What carries events: sns, eventbridge or, where there are none, nothing.
  carrier = local.orchestrated ? "none" : var.events

  topics_folder = "${path.module}/../topics"

  topic_files = [
    for file in fileset(local.topics_folder, "*.json") :
    jsondecode(file("${local.topics_folder}/${file}"))
  ]

  # topic => its file
  topics = { for topic in local.topic_files : topic.topic => topic }

  # The publisher of booking requests. It is no role, and has no queue.
  client = "client"

  roles = setsubtract(
    flatten([
      for topic in local.topics :
      concat([topic.publisher], [for it in topic.subscribers : it.role if can(it.role)])
    ]),
    [local.client],
  )

  # Services of other teams. They get queues, a policy and alarms, but neither a table nor tasks, and
  # they publish nothing.
  guests = toset(flatten([
    for topic in local.topics : [for it in topic.subscribers : it.guest if can(it.guest)]
  ]))

  # Everybody who has a queue.
  listeners = setunion(local.roles, local.guests)

  # "<listener>/<topic>" => both
  subscriptions = merge([
    for name, topic in local.topics : {
      for name_of_listener in [for it in topic.subscribers : try(it.role, it.guest)] :
      "${name_of_listener}/${name}" => { listener = name_of_listener, topic = name } if !local.orchestrated
    }
  ]...)

  # listener or client => the topics that it publishes
  publishes = {
    for publisher in setunion(local.listeners, [local.client]) : publisher => sort([
      for name, topic in local.topics : name if topic.publisher == publisher && !local.orchestrated
    ])
  }
}

resource "aws_sns_topic" "topic" {
  for_each = { for topic, name in local.topic_names : topic => name if !var.fifo }

  name              = each.value
  kms_master_key_id = var.kms_key_arn
}

# A resource of their own: the provider (5.100) refuses to replace a FIFO topic by a standard one, since it
# takes the throughput scope for one that was asked for.
resource "aws_sns_topic" "fifo" {
  for_each = { for topic, name in local.topic_names : topic => name if var.fifo }

  name              = each.value
  kms_master_key_id = var.kms_key_arn
  fifo_topic        = true

  # Whoever publishes gives each message its deduplication id: src/wire/fifo.rs says why.
  content_based_deduplication = false

  # High throughput: duplicates and quotas are a matter of one booking, and not of the whole topic.
  fifo_throughput_scope = "MessageGroup"
}
