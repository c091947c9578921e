# The event bus of EventBridge in place of the topics: one rule for each subscription, and what comes
# with it; and nothing of it by default. Who may do what is in event-bus-access.tftest.hcl.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  events     = "eventbridge"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "nothing_of_it_by_default" {
  command = plan
  # Null is the default.
  variables { events = null }

  assert {
    condition = sum([
      length(aws_cloudwatch_event_bus.booking), length(aws_cloudwatch_event_rule.role), length(aws_cloudwatch_event_target.role),
      length(aws_cloudwatch_event_archive.booking), length([for it in aws_cloudwatch_metric_alarm.queue_or_topic : it if it.namespace == "AWS/Events"]),
    ]) == 0 && output.event_bus_name == null && output.event_bus_arn == null
    error_message = "Something that only the event bus needs is created without it."
  }

  assert {
    condition = !can(regex("events", jsonencode([
      values(aws_iam_policy.publisher)[*].policy, aws_iam_policy.operator.policy, values(aws_sqs_queue.role)[*].policy,
      values(aws_sqs_queue.undelivered)[*].policy, aws_cloudwatch_dashboard.booking[0].dashboard_body,
    ])))
    error_message = "A policy or the dashboard knows of an event bus that is not there."
  }
}

run "sns_by_name" {
  command = plan
  variables { events = "sns" }

  assert {
    condition     = length(aws_sns_topic.topic) == length(run.topics.topics) && length(aws_sns_topic_subscription.role) == length(run.topics.subscriptions)
    error_message = "sns makes other topics or subscriptions than those of topics/."
  }
}

run "one_bus_and_nothing_of_sns" {
  command = plan

  assert {
    condition     = aws_cloudwatch_event_bus.booking[0].name == "booking" && aws_cloudwatch_event_bus.booking[0].kms_key_identifier == null
    error_message = "There is no event bus booking, or it has a key although none was given."
  }

  assert {
    condition     = length(aws_sns_topic.topic) + length(aws_sns_topic_subscription.role) == 0 && output.topic_arns == {}
    error_message = "There are topics or subscriptions that nobody uses."
  }

  # The topic of the alarms is another matter.
  assert {
    condition = !can(regex("(?i)sns", jsonencode([
      values(aws_iam_policy.publisher)[*].policy, aws_iam_policy.operator.policy, values(aws_sqs_queue.role)[*].policy,
      values(aws_sqs_queue.undelivered)[*].policy, values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].namespace,
      values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].alarm_description, aws_cloudwatch_dashboard.booking[0].dashboard_body,
    ])))
    error_message = "A policy, an alarm or the dashboard knows of SNS, which is not there."
  }

  assert {
    condition     = output.event_bus_name == "booking"
    error_message = "The output is not the name of the bus."
  }
}

# Whoever gets an event twice, or not at all, is seen here.
run "one_rule_for_each_subscription" {
  command = plan

  # A tripwire: whoever changes the choreography changes this number knowingly.
  assert {
    condition     = length([for it in run.topics.subscriptions : it if contains(run.topics.roles, split("/", it)[0])]) == 17
    error_message = "There are no longer 17 rules for the roles: mend the costs in README.md."
  }

  assert {
    condition = (
      length(aws_cloudwatch_event_rule.role) == length(run.topics.subscriptions) &&
      length(aws_cloudwatch_event_target.role) == length(run.topics.subscriptions)
    )
    error_message = "There is not exactly one rule with one target for each subscription of topics/."
  }

  # Name, bus and the whole pattern. Only a request may come from any source.
  assert {
    condition = {
      for it in aws_cloudwatch_event_rule.role : it.name => "${it.event_bus_name} ${jsonencode(jsondecode(it.event_pattern))}"
      } == {
      for pair in run.topics.subscriptions : "booking-${replace(pair, "/", "-")}" => join(" ", [
        "booking",
        run.topics.publishers[split("/", pair)[1]] == "client" ? jsonencode({ "detail-type" = [split("/", pair)[1]] }) :
        jsonencode({ "detail-type" = [split("/", pair)[1]], "source" = ["booking.${run.topics.publishers[split("/", pair)[1]]}"] }),
      ])
    }
    error_message = "A rule lets through other events than those of its topic, from its publisher."
  }

  assert {
    condition     = [for it in aws_cloudwatch_event_rule.role : it.name if !strcontains(it.event_pattern, "source")] == [for it in sort(run.topics.subscribes_to["booking-requested"]) : "booking-${it}-booking-requested"]
    error_message = "Another event than a request may come from any source."
  }

  # Which rule puts events where, as what, and where those that it cannot put there.
  assert {
    condition = toset([
      for it in aws_cloudwatch_event_target.role : join(" ", concat(
        [it.event_bus_name, it.rule, it.target_id, it.arn], [for dead in it.dead_letter_config : dead.arn],
      ))
      ]) == toset([
      for pair in run.topics.subscriptions : join(" ", [
        "booking",
        "booking-${replace(pair, "/", "-")}",
        split("/", pair)[0],
        "arn:aws:sqs:eu-central-1:123456789012:booking-${split("/", pair)[0]}",
        "arn:aws:sqs:eu-central-1:123456789012:booking-${split("/", pair)[0]}-undelivered",
      ])
    ])
    error_message = "A rule does not put its events on the queue of its listener, or what it cannot put there on the -undelivered queue beside it."
  }

  assert {
    condition = alltrue([
      for it in aws_cloudwatch_event_target.role :
      it.input == null && it.input_path == null && length(it.input_transformer) == 0 && it.role_arn == null
    ])
    error_message = "A target does not get the whole envelope: its id, source and type would be lost."
  }
}

run "the_same_queues_as_with_topics" {
  command = plan

  assert {
    condition = (
      toset(values(aws_sqs_queue.role)[*].name) == toset(formatlist("booking-%s", run.topics.listeners)) &&
      toset(values(aws_sqs_queue.dlq)[*].name) == toset(formatlist("booking-%s-dlq", run.topics.listeners)) &&
      toset(values(aws_sqs_queue.undelivered)[*].name) == toset(formatlist("booking-%s-undelivered", run.topics.listeners))
    )
    error_message = "Not every role and guest has exactly its queue, -dlq and -undelivered."
  }

  assert {
    condition = alltrue([
      for it in aws_sqs_queue.role :
      it.visibility_timeout_seconds == 60 && it.receive_wait_time_seconds == 20 && it.message_retention_seconds == 4 * 24 * 3600 &&
      it.sqs_managed_sse_enabled == true && it.kms_master_key_id == null
    ])
    error_message = "A role's queue has not visibility 60 s, long poll 20 s, retention 4 days and SSE-SQS."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue_redrive_policy.role[role].redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-dlq"
        maxReceiveCount     = 10
      }
    ])
    error_message = "A role's queue does not move messages to its own -dlq after 10 deliveries."
  }
}

# The archive keeps names and addresses.
run "no_archive_unless_it_is_asked_for" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_event_archive.booking) == 0
    error_message = "Events are kept although nobody asked for it."
  }
}

run "an_archive_of_everything" {
  command = plan
  variables { event_archive_days = 7 }

  assert {
    condition = [
      for it in aws_cloudwatch_event_archive.booking : "${it.name} ${it.event_source_arn} ${it.retention_days} ${coalesce(it.event_pattern, "everything")}"
    ] == ["booking arn:aws:events:eu-central-1:123456789012:event-bus/booking 7 everything"]
    error_message = "There is no archive of all events of the bus for 7 days."
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.role) == length(run.topics.subscriptions)
    error_message = "With an archive there are other rules than without."
  }
}

# The ARN is known only after an apply, here of the mocked provider.
run "the_outputs_are_those_of_the_bus" {
  command = apply

  assert {
    condition     = output.event_bus_name == "booking" && output.event_bus_arn == aws_cloudwatch_event_bus.booking[0].arn
    error_message = "The outputs are not the name and the ARN of the bus."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners :
      output.queues[role].url == aws_sqs_queue.role[role].url && output.queues[role].undelivered_url == aws_sqs_queue.undelivered[role].url
    ])
    error_message = "The outputs tell of other queues than those of the listeners."
  }
}

# The longest prefix that fits. A guest in topics/ with a longer name leaves less room.
run "everything_has_the_prefix_and_fits" {
  command = plan

  variables {
    prefix             = "a-prefix-that-is-thirty-one-ch-"
    event_archive_days = 7
  }

  assert {
    condition = alltrue([
      for name in concat(
        aws_cloudwatch_event_bus.booking[*].name, aws_cloudwatch_event_archive.booking[*].name,
        values(aws_cloudwatch_event_rule.role)[*].name, values(aws_cloudwatch_event_target.role)[*].rule,
        values(aws_cloudwatch_event_target.role)[*].event_bus_name, values(aws_sqs_queue.role)[*].name,
        values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].alarm_name,
      ) : startswith(name, var.prefix) && !startswith(name, "${var.prefix}${var.prefix}")
    ]) && length(var.prefix) == 31
    error_message = "A name does not begin with the prefix."
  }

  assert {
    condition     = max([for it in aws_cloudwatch_event_rule.role : length(it.name)]...) == 64 && length(aws_cloudwatch_event_archive.booking[0].name) <= 48
    error_message = "The longest prefix leaves no room for the name of a rule (EventBridge allows 64), or could be longer, or the name of the archive is longer than 48."
  }

  # Whatever mentions an ARN of ours mentions it with the prefix.
  assert {
    condition = alltrue([
      for arn in regexall("arn:aws:(?:sqs|events):[a-z0-9-]+:[0-9]+:(?:event-bus/|rule/)?[a-z0-9/-]+", jsonencode([
        values(aws_sqs_queue.role)[*].policy,
        values(aws_sqs_queue.undelivered)[*].policy,
        values(aws_iam_policy.publisher)[*].policy,
        aws_iam_policy.operator.policy,
        values(aws_cloudwatch_event_target.role)[*].arn,
        values(aws_cloudwatch_event_target.role)[*].dead_letter_config,
        aws_cloudwatch_event_archive.booking[0].event_source_arn,
      ])) : alltrue([for part in split("/", trimprefix(trimprefix(split(":", arn)[5], "event-bus/"), "rule/")) : part == "" || startswith(part, var.prefix)])
    ])
    error_message = "An ARN lacks the prefix."
  }
}

run "services_take_this_road" {
  command = plan

  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition = alltrue([
      for it in aws_ecs_task_definition.role : [
        for setting in jsondecode(it.container_definitions)[0].environment : setting.value if setting.name == "BOOKING_EVENTS"
      ] == ["eventbridge"]
    ]) && length(aws_ecs_task_definition.role) == 4
    error_message = "A container is not told of the event bus."
  }
}

run "services_with_topics_are_told_nothing" {
  command = plan

  variables {
    events     = "sns"
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition     = alltrue([for it in aws_ecs_task_definition.role : !strcontains(it.container_definitions, "BOOKING_EVENTS")])
    error_message = "A container with topics has a setting that it needs only with an event bus."
  }
}

run "queues_and_rules_are_watched" {
  command = plan

  # Name, metric, dimensions, statistic, threshold, how many minutes out of how many: the whole list.
  assert {
    condition = toset([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : join(" ", [
        it.alarm_name, it.namespace, it.metric_name, jsonencode(it.dimensions), it.statistic,
        it.comparison_operator, it.threshold, "${it.datapoints_to_alarm}/${it.evaluation_periods}x${it.period}s",
      ])
      ]) == toset(concat(
      flatten([for role in run.topics.listeners : [
        "booking-${role}-oldest-message AWS/SQS ApproximateAgeOfOldestMessage {\"QueueName\":\"booking-${role}\"} Maximum GreaterThanThreshold 300 3/3x60s",
        "booking-${role}-in-flight AWS/SQS ApproximateNumberOfMessagesNotVisible {\"QueueName\":\"booking-${role}\"} Maximum GreaterThanThreshold 100000 1/1x60s",
        "booking-${role}-dlq AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"booking-${role}-dlq\"} Maximum GreaterThanThreshold 0 1/5x60s",
        "booking-${role}-undelivered AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"booking-${role}-undelivered\"} Maximum GreaterThanThreshold 0 1/5x60s",
      ]]),
      [for pair in run.topics.subscriptions :
        "booking-${replace(pair, "/", "-")}-failed-invocations AWS/Events FailedInvocations {\"EventBusName\":\"booking\",\"RuleName\":\"booking-${replace(pair, "/", "-")}\"} Sum GreaterThanThreshold 0 1/5x60s"
      ],
    ))
    error_message = "The alarms are not exactly those of each queue and each rule."
  }

  # A tripwire for the arithmetic in README.md.
  assert {
    condition     = 4 * length(run.topics.roles) + length([for it in run.topics.subscriptions : it if contains(run.topics.roles, split("/", it)[0])]) == 33
    error_message = "There are no longer 33 alarms without services and guests: mend the costs in README.md."
  }

  assert {
    condition = alltrue([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic :
      it.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:booking-alarms"]) &&
      it.ok_actions == it.alarm_actions && it.treat_missing_data == "notBreaching" && length(it.alarm_description) > 20
    ])
    error_message = "An alarm does not reach the alarm topic, says nothing, or goes off when nothing happens."
  }
}

run "the_dashboard_counts_events_by_their_rules" {
  command = plan

  assert {
    condition = [
      for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : widget.properties.title
      ] == flatten([
        for role in sort(run.topics.listeners) : [
          "${role}: waiting and in flight", "${role}: age of the oldest message (s)", "${role}: dead letters and undelivered", "${role}: heard and said",
        ]
    ])
    error_message = "The dashboard has not the same rows as with topics."
  }

  # What a role said: one rule for each of its topics, whoever hears it first in the alphabet.
  assert {
    condition = {
      for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : split(":", widget.properties.title)[0] => toset([
        for metric in widget.properties.metrics : join(" ", metric)
      ]) if endswith(widget.properties.title, "heard and said")
      } == {
      for role in run.topics.listeners : role => toset(concat(
        ["AWS/SQS NumberOfMessagesDeleted QueueName booking-${role}"],
        [
          for topic in lookup(run.topics.publishes, role, []) :
          "AWS/Events TriggeredRules EventBusName booking RuleName booking-${sort(run.topics.subscribes_to[topic])[0]}-${topic}"
        ],
      ))
    }
    error_message = "A row counts other events than those that its role heard and said."
  }
}

run "an_emulator_gets_the_bus_without_alarms" {
  command = plan

  variables {
    endpoint_url = "http://127.0.0.1:4566"
    side_by_side = true
  }

  assert {
    condition     = length(aws_cloudwatch_event_bus.booking) == 1 && length(aws_cloudwatch_event_target.role) == length(run.topics.subscriptions)
    error_message = "An emulator gets no event bus, or not all of its rules."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.queue_or_topic) + length(aws_cloudwatch_dashboard.booking) == 0
    error_message = "An emulator gets alarms or a dashboard."
  }
}

run "nothing_is_watched_if_nobody_wants_it" {
  command = plan
  variables { monitoring = false }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.queue_or_topic) + length(aws_sns_topic.alarms) + length(aws_cloudwatch_dashboard.booking) == 0
    error_message = "monitoring = false has no effect."
  }
}
