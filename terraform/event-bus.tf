# With events = "eventbridge": the event bus, one rule for each subscription of ../topics, and what a
# client and the roles may do with the bus. Otherwise nothing of this is created.

locals {
  eventbridge = "arn:${local.partition}:events:${local.region}:${local.account_id}"

  bus_name = "${var.prefix}booking"
  bus_arn  = "${local.eventbridge}:event-bus/${local.bus_name}"

  # "<listener>/<topic>" => the name of its rule without the prefix, also where no rule is made: the
  # prefix must leave room for the longest one.
  rule_stems   = { for pair, it in local.subscriptions : pair => "booking-${it.listener}-${it.topic}" }
  rule_names   = { for pair, stem in local.rule_stems : pair => "${var.prefix}${stem}" if local.carrier == "eventbridge" }
  rule_arns    = { for pair, name in local.rule_names : pair => "${local.eventbridge}:rule/${local.bus_name}/${name}" }
  longest_rule = max(0, [for stem in values(local.rule_stems) : length(stem)]...)

  # "<listener>/<topic>" => which events are for it: those of the topic, from its publisher and nobody
  # else. A request may come from any source, as on its topic, and the services refuse those of ours.
  patterns = {
    for pair, it in local.subscriptions : pair => {
      for field, values in {
        "detail-type" = [it.topic]
        "source"      = ["booking.${local.topics[it.topic].publisher}"]
      } : field => values if field == "detail-type" || local.topics[it.topic].publisher != local.client
    }
  }

  # topic => one of its rules. All of them run for each of its events, so one is enough to count them.
  counting_rules = {
    for topic, names in { for pair, name in local.rule_names : local.subscriptions[pair].topic => name... } : topic => names[0]
  }

  # Who puts events on the bus => the sources and the types that are its own. An operator announces
  # again what any role decided.
  own_events = merge(
    { for publisher, topics in local.publishes : publisher => { sources = ["booking.${publisher}"], types = topics } },
    {
      operator = {
        sources = [for publisher, topics in local.publishes : "booking.${publisher}" if length(topics) > 0]
        types   = keys(local.topics)
      }
    },
  )

  # The condition for exactly these. A publisher writes source and type itself, and the services
  # believe them: so this is what keeps each one from speaking for another. ForAllValues, since AWS
  # lists events:source as a key with several values; and Null, since ForAllValues is also true of none.
  put_conditions = {
    for who, it in local.own_events : who => {
      "ForAllValues:StringEquals" = { "events:source" = it.sources, "events:detail-type" = it.types }
      Null                        = { "events:source" = "false", "events:detail-type" = "false" }
    }
  }

  # What a client and each role may do with the bus. All of them ask for it when they start, since
  # EventBridge accepts events for a bus that does not exist, and drops them.
  bus_statements = {
    for who, topics in local.publishes : who => concat(
      [{
        Sid      = "FindEventBus"
        Effect   = "Allow"
        Action   = ["events:DescribeEventBus"]
        Resource = [local.bus_arn]
      }],
      length(topics) == 0 ? [] : [{
        Sid       = "PutOwnEvents"
        Effect    = "Allow"
        Action    = ["events:PutEvents"]
        Resource  = [local.bus_arn]
        Condition = local.put_conditions[who]
      }],
    ) if local.carrier == "eventbridge" && !contains(local.guests, who)
  }
}

resource "aws_cloudwatch_event_bus" "booking" {
  count = local.carrier == "eventbridge" ? 1 : 0

  name               = local.bus_name
  kms_key_identifier = var.kms_key_arn
}

resource "aws_cloudwatch_event_rule" "role" {
  for_each = local.rule_names

  name           = each.value
  event_bus_name = local.bus_name
  event_pattern  = jsonencode(local.patterns[each.key])

  depends_on = [aws_cloudwatch_event_bus.booking]
}

# The whole envelope goes to the queue, since it has the id, which is the same in all queues, and the
# source and the type, which IAM has checked. EventBridge tries for a day before it gives up.
resource "aws_cloudwatch_event_target" "role" {
  for_each = local.rule_names

  event_bus_name = local.bus_name
  rule           = each.value
  target_id      = local.subscriptions[each.key].listener
  arn            = local.queue_arns[local.subscriptions[each.key].listener]

  dead_letter_config {
    arn = local.undelivered_arns[local.subscriptions[each.key].listener]
  }

  # Terraform cannot see these dependencies in composed names. An event that comes before the queue
  # or its policy exists would be undelivered.
  depends_on = [aws_cloudwatch_event_rule.role, aws_sqs_queue.role, aws_sqs_queue.undelivered]
}

# Everything that went over the bus, names and addresses included: so only if somebody asks for it.
resource "aws_cloudwatch_event_archive" "booking" {
  count = local.carrier == "eventbridge" && var.event_archive_days != null ? 1 : 0

  name             = local.bus_name
  event_source_arn = local.bus_arn
  retention_days   = var.event_archive_days

  depends_on = [aws_cloudwatch_event_bus.booking]
}
