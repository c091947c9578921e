# FIFO topics and queues in place of standard ones: their names and attributes, and everything that
# follows from the names, also who may do what; and nothing of it by default.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  fifo       = true
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "nothing_of_it_by_default" {
  command = plan
  # Null is the default.
  variables { fifo = null }

  assert {
    condition     = length(aws_sns_topic.fifo) == 0 && length(aws_sns_topic.topic) == length(run.topics.topics)
    error_message = "There is a FIFO topic although nobody asked for it, or a standard one is missing."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_sqs_queue.role), values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) :
      it.fifo_queue == false && it.content_based_deduplication == false
    ])
    error_message = "A queue is FIFO although nobody asked for it."
  }

  assert {
    condition = !can(regex("(?i)fifo", jsonencode([
      values(aws_sns_topic.topic)[*].name, values(aws_sqs_queue.role)[*].name, values(aws_sqs_queue.dlq)[*].name,
      values(aws_sqs_queue.undelivered)[*].name, values(aws_sqs_queue.role)[*].policy, values(aws_sqs_queue.undelivered)[*].policy,
      values(aws_sqs_queue_redrive_policy.role)[*].redrive_policy, values(aws_sns_topic_subscription.role)[*].topic_arn,
      values(aws_iam_policy.publisher)[*].policy, aws_iam_policy.operator.policy,
      values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].dimensions, aws_cloudwatch_dashboard.booking[0].dashboard_body,
    ])))
    error_message = "Something is called FIFO although nothing is."
  }
}

run "every_topic_and_every_queue_is_fifo" {
  command = plan

  assert {
    condition     = length(aws_sns_topic.topic) == 0 && toset(values(aws_sns_topic.fifo)[*].name) == toset(formatlist("%s.fifo", run.topics.topics))
    error_message = "The topics are not those of topics/ with .fifo, or there is a standard one beside them."
  }

  # By topic, so that the outputs and whoever reads a plan finds them under the same name.
  assert {
    condition     = { for topic, it in aws_sns_topic.fifo : topic => it.name } == { for topic in run.topics.topics : topic => "${topic}.fifo" }
    error_message = "A topic stands under another name than its own."
  }

  assert {
    condition = alltrue([
      for it in aws_sns_topic.fifo :
      it.fifo_topic == true && it.content_based_deduplication == false && it.fifo_throughput_scope == "MessageGroup" && it.kms_master_key_id == null
    ])
    error_message = "A topic is not FIFO, makes ids from the text of messages, lacks high throughput, or has a key although none was given."
  }

  assert {
    condition = (
      toset(values(aws_sqs_queue.role)[*].name) == toset(formatlist("booking-%s.fifo", run.topics.listeners)) &&
      toset(values(aws_sqs_queue.dlq)[*].name) == toset(formatlist("booking-%s-dlq.fifo", run.topics.listeners)) &&
      toset(values(aws_sqs_queue.undelivered)[*].name) == toset(formatlist("booking-%s-undelivered.fifo", run.topics.listeners))
    )
    error_message = "Not every role and guest has exactly its queue, -dlq and -undelivered, each with .fifo at the very end."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_sqs_queue.role), values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) :
      it.fifo_queue == true && it.content_based_deduplication == false &&
      it.deduplication_scope == "messageGroup" && it.fifo_throughput_limit == "perMessageGroupId"
    ])
    error_message = "A queue is not FIFO, makes ids from the text of messages, or lacks high throughput."
  }

  # What has nothing to do with FIFO is as it was.
  assert {
    condition = alltrue([
      for it in aws_sqs_queue.role :
      it.visibility_timeout_seconds == 60 && it.receive_wait_time_seconds == 20 && it.message_retention_seconds == 4 * 24 * 3600 &&
      it.sqs_managed_sse_enabled == true && it.kms_master_key_id == null
      ]) && alltrue([
      for it in concat(values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) : it.message_retention_seconds == 14 * 24 * 3600
    ])
    error_message = "A FIFO queue has other time-outs, keeps messages for another time or is encrypted otherwise than a standard one."
  }

  # The topic of the alarms is no FIFO topic: those have no e-mail.
  assert {
    condition     = aws_sns_topic.alarms[0].name == "booking-alarms" && !coalesce(aws_sns_topic.alarms[0].fifo_topic, false)
    error_message = "The topic of the alarms is FIFO."
  }
}

run "subscriptions_and_dead_letters" {
  command = plan

  assert {
    condition = toset([
      for it in aws_sns_topic_subscription.role : join(" ", [it.topic_arn, it.protocol, it.endpoint, jsondecode(it.redrive_policy).deadLetterTargetArn])
      ]) == toset([
      for pair in run.topics.subscriptions : join(" ", [
        "arn:aws:sns:eu-central-1:123456789012:${split("/", pair)[1]}.fifo",
        "sqs",
        "arn:aws:sqs:eu-central-1:123456789012:booking-${split("/", pair)[0]}.fifo",
        "arn:aws:sqs:eu-central-1:123456789012:booking-${split("/", pair)[0]}-undelivered.fifo",
      ])
    ])
    error_message = "The subscriptions are not those of topics/, each of a FIFO queue to a FIFO topic, with a FIFO queue for what cannot be delivered."
  }

  assert {
    condition     = alltrue([for it in aws_sns_topic_subscription.role : it.raw_message_delivery == false && it.filter_policy == null])
    error_message = "A subscription delivers raw, or filters."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue_redrive_policy.role[role].redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-dlq.fifo"
        maxReceiveCount     = 10
      }
    ])
    error_message = "A role's queue does not move messages to its own FIFO -dlq after 10 deliveries."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue.dlq[role].redrive_allow_policy) == {
        redrivePermission = "byQueue"
        sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:booking-${role}.fifo"]
      }
    ])
    error_message = "A -dlq takes dead letters from another queue than its role's."
  }
}

run "queue_policies" {
  command = plan

  # Whole statements, for the queue and for -undelivered.
  assert {
    condition = alltrue(flatten([
      for role in run.topics.listeners : [
        for queue in [aws_sqs_queue.role[role], aws_sqs_queue.undelivered[role]] : jsonencode(jsondecode(queue.policy)) == jsonencode({
          Version = "2012-10-17"
          Statement = [{
            Sid       = "DeliverSubscribedTopics"
            Effect    = "Allow"
            Principal = { Service = "sns.amazonaws.com" }
            Action    = "sqs:SendMessage"
            Resource  = "arn:aws:sqs:eu-central-1:123456789012:${queue.name}"
            Condition = {
              ArnEquals = { "aws:SourceArn" = [for topic in sort(run.topics.subscribes[role]) : "arn:aws:sns:eu-central-1:123456789012:${topic}.fifo"] }
            }
          }]
        })
      ]
    ]))
    error_message = "A queue takes messages from more, or fewer, than the FIFO topics that its role subscribes to."
  }

  assert {
    condition     = alltrue([for it in concat(values(aws_sqs_queue.role), values(aws_sqs_queue.undelivered)) : endswith(jsondecode(it.policy).Statement[0].Resource, ".fifo")])
    error_message = "A policy is about another queue than the FIFO queue that has it."
  }
}

run "iam_policies" {
  command = plan

  # Each policy as a set of "effect action resource"; the expected one is built from topics/ alone.
  assert {
    condition = {
      for publisher, it in aws_iam_policy.publisher : publisher => toset(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
        ]
      ]))
      } == {
      for publisher in setunion(run.topics.listeners, ["client"]) : publisher => toset(concat(
        formatlist("Allow sns:Publish arn:aws:sns:eu-central-1:123456789012:%s.fifo", lookup(run.topics.publishes, publisher, [])),
        publisher == "client" ? [] : [
          "Allow sqs:ReceiveMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}.fifo",
          "Allow sqs:DeleteMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}.fifo",
          "Allow sqs:ChangeMessageVisibility arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}.fifo",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}.fifo",
          "Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}.fifo",
          "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}-dlq.fifo",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}-dlq.fifo",
        ],
      ))
    }
    error_message = "An IAM policy allows more, or less, than its role does."
  }

  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement :
        keys(statement) == ["Action", "Effect", "Resource", "Sid"] && length(statement.Action) > 0 && length(statement.Resource) > 0
      ]
    ]))
    error_message = "An IAM statement has other elements than Sid, Effect, Action and Resource, or an empty one."
  }

  assert {
    condition     = alltrue([for it in aws_iam_policy.publisher : !strcontains(it.policy, "*")])
    error_message = "An IAM policy has a wildcard."
  }
}

run "with_watch_queues_status_looks_at_every_fifo_queue_and_nothing_else" {
  command = plan
  variables { watch_queues = true }

  assert {
    condition = {
      for publisher, it in aws_iam_policy.publisher : publisher => join(", ", sort(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
        ] if startswith(statement.Sid, "Watch")
      ])))
      } == {
      for publisher in setunion(run.topics.listeners, ["client"]) : publisher => join(", ", sort(publisher != "status" ? [] : concat(
        [
          for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], setsubtract(run.topics.roles, ["status"]), ["", "-dlq"]) :
          "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}${it[2]}.fifo"
        ],
        [
          for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], run.topics.roles) :
          "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}-undelivered.fifo"
        ],
        ["Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-status-dlq.fifo"],
      )))
    }
    error_message = "With watch_queues, status may look at more, or less, than the queues that it does not have."
  }
}

run "operators_look_at_them_and_announce_again" {
  command = plan
  variables { store = "dynamodb" }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
      ]
      ])) == toset(concat(
      ["Allow sns:GetSubscriptionAttributes *"],
      [
        for pair in setproduct(["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish"], run.topics.topics) :
        "Allow ${pair[0]} arn:aws:sns:eu-central-1:123456789012:${pair[1]}.fifo"
      ],
      [
        for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], run.topics.listeners, ["", "-dlq", "-undelivered"]) :
        "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}${it[2]}.fifo"
      ],
      [
        for it in setproduct(["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"], run.topics.listeners, ["-dlq", "-undelivered"]) :
        "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}${it[2]}.fifo"
      ],
      [for role in run.topics.listeners : "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${role}.fifo"],
      [
        for pair in setproduct(["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem"], run.topics.roles) :
        "Allow ${pair[0]} arn:aws:dynamodb:eu-central-1:123456789012:table/booking-${pair[1]}"
      ],
      [for it in ["newest", "stalest", "of_flight", "of_day"] : "Allow dynamodb:Query arn:aws:dynamodb:eu-central-1:123456789012:table/booking-status/index/${it}"],
    ))
    error_message = "The operator policy allows more, or less, than check, dlq and resend do."
  }
}

run "with_a_key_of_the_customer" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }

  assert {
    condition = alltrue([
      for it in concat(
        values(aws_sns_topic.fifo)[*].kms_master_key_id, values(aws_sqs_queue.role)[*].kms_master_key_id,
        values(aws_sqs_queue.dlq)[*].kms_master_key_id, values(aws_sqs_queue.undelivered)[*].kms_master_key_id,
      ) : it == var.kms_key_arn
    ])
    error_message = "A FIFO topic or queue is not encrypted with the given key."
  }

  # SNS and SQS use the key in the name of whoever publishes, sends and receives.
  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_policy.publisher)[*].policy, [aws_iam_policy.operator.policy]) : [
        for statement in jsondecode(it).Statement : statement.Sid if strcontains(jsonencode(statement), "kms")
      ] == ["UseKey"]
    ])
    error_message = "Somebody may not use the given key, or may do more with it than otherwise."
  }
}

run "side_by_side_gives_the_same_redrive_policies" {
  command = plan

  variables {
    endpoint_url = "http://127.0.0.1:4566"
    side_by_side = true
  }

  assert {
    condition = length(aws_sqs_queue_redrive_policy.role) == 0 && alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue.role[role].redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-dlq.fifo"
        maxReceiveCount     = 10
      }
    ])
    error_message = "Created side by side, a role's queue does not get the same redrive policy."
  }

  assert {
    condition     = length(aws_sns_topic.fifo) == length(run.topics.topics) && length(aws_cloudwatch_metric_alarm.queue_or_topic) == 0
    error_message = "An emulator gets other topics, or alarms."
  }
}

# The longest prefix that fits. A guest in topics/ with a name of 24 letters leaves less room.
run "everything_has_the_prefix_and_fits" {
  command = plan

  variables {
    prefix           = "a-prefix-that-is-thirty-two-cha-"
    store            = "dynamodb"
    kms_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    canary_key_arn   = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key"
    watch_queues     = true
    mailer           = "ses"
    mail_from        = "Example Air <receipts@example.com>"
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
  }

  assert {
    condition = length(var.prefix) == 32 && alltrue([
      for name in concat(
        values(aws_sns_topic.fifo)[*].name, values(aws_sqs_queue.role)[*].name,
        values(aws_sqs_queue.dlq)[*].name, values(aws_sqs_queue.undelivered)[*].name,
      ) : startswith(name, var.prefix) && !startswith(name, "${var.prefix}${var.prefix}") && endswith(name, ".fifo") && length(name) <= 80
    ])
    error_message = "A name has no prefix, does not end in .fifo, or is longer than the 80 characters of SQS."
  }

  # What the prefix is measured by, and what is refused: names of SQS end in .fifo once and have no other dot.
  assert {
    condition = (
      max([for it in aws_sqs_queue.undelivered : length(it.name)]...) == length(var.prefix) + local.longest_queue &&
      alltrue([for it in aws_sqs_queue.undelivered : can(regex("^[0-9A-Za-z_-]{1,75}\\.fifo$", it.name))])
    )
    error_message = "The prefix is measured by something else than the longest name of a queue, or a name is none for SQS."
  }

  # Whatever mentions an ARN of ours mentions it with the prefix, and with .fifo if it is a topic or a queue.
  assert {
    condition = alltrue([
      for arn in regexall("arn:aws:(?:sns|sqs):[a-z0-9-]+:[0-9]+:[a-z0-9.-]+", jsonencode([
        values(aws_sqs_queue.role)[*].policy,
        values(aws_sqs_queue.undelivered)[*].policy,
        values(aws_sqs_queue.dlq)[*].redrive_allow_policy,
        values(aws_sqs_queue_redrive_policy.role)[*].redrive_policy,
        values(aws_iam_policy.publisher)[*].policy,
        aws_iam_policy.operator.policy,
        values(aws_sns_topic_subscription.role)[*].topic_arn,
        values(aws_sns_topic_subscription.role)[*].endpoint,
        values(aws_sns_topic_subscription.role)[*].redrive_policy,
      ])) : startswith(split(":", arn)[5], var.prefix) && endswith(arn, ".fifo")
    ])
    error_message = "An ARN of a topic or a queue lacks the prefix or .fifo."
  }

  assert {
    condition     = alltrue([for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : length(it.policy) <= 6144])
    error_message = "An IAM policy is longer than the 6144 characters AWS takes."
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
        for setting in jsondecode(it.container_definitions)[0].environment : setting.value if setting.name == "BOOKING_FIFO"
      ] == ["true"]
    ]) && length(aws_ecs_task_definition.role) == 4
    error_message = "A container is not told that topics and queues are FIFO."
  }

  # A name with a dot would be none for some of these.
  assert {
    condition = !can(regex("(?i)fifo", jsonencode([
      values(aws_dynamodb_table.role)[*].name, values(aws_ecs_service.role)[*].name, values(aws_ecs_task_definition.role)[*].family,
      values(aws_cloudwatch_log_group.role)[*].name, values(aws_iam_policy.publisher)[*].name, aws_iam_policy.operator.name,
      values(aws_iam_role.task)[*].name, values(aws_security_group.role)[*].name, values(aws_appautoscaling_policy.backlog)[*].name,
      values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].alarm_name, values(aws_cloudwatch_metric_alarm.tasks)[*].alarm_name,
      values(aws_cloudwatch_metric_alarm.breaker)[*].alarm_name, aws_cloudwatch_dashboard.booking[0].dashboard_name,
    ])))
    error_message = "Something else than a topic or a queue is called FIFO."
  }

  assert {
    condition = {
      for role, it in aws_appautoscaling_policy.backlog : role => flatten([
        for metric in it.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : [
          for dimension in metric.metric_stat[0].metric[0].dimensions : dimension.value
        ] if metric.id == "visible"
      ])
    } == { for role in run.topics.roles : role => ["booking-${role}.fifo"] }
    error_message = "A service does not scale on the waiting messages of its own FIFO queue."
  }
}

run "services_with_standard_topics_are_told_nothing" {
  command = plan

  variables {
    fifo       = false
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition     = alltrue([for it in aws_ecs_task_definition.role : !strcontains(it.container_definitions, "BOOKING_FIFO")])
    error_message = "A container with standard topics has a setting that it needs only with FIFO ones."
  }
}

run "queues_and_topics_are_watched" {
  command = plan

  # Name, metric and dimensions. The names are the same as without FIFO.
  assert {
    condition = toset([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : join(" ", [it.alarm_name, it.namespace, it.metric_name, jsonencode(it.dimensions)])
      ]) == toset(concat(
      flatten([for role in run.topics.listeners : [
        "booking-${role}-oldest-message AWS/SQS ApproximateAgeOfOldestMessage {\"QueueName\":\"booking-${role}.fifo\"}",
        "booking-${role}-in-flight AWS/SQS ApproximateNumberOfMessagesNotVisible {\"QueueName\":\"booking-${role}.fifo\"}",
        "booking-${role}-dlq AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"booking-${role}-dlq.fifo\"}",
        "booking-${role}-undelivered AWS/SQS ApproximateNumberOfMessagesVisible {\"QueueName\":\"booking-${role}-undelivered.fifo\"}",
      ]]),
      [for topic in run.topics.topics : "${topic}-failed-notifications AWS/SNS NumberOfNotificationsFailed {\"TopicName\":\"${topic}.fifo\"}"],
    ))
    error_message = "The alarms are not exactly those of each FIFO queue and each FIFO topic."
  }

  # Every metric of every row, so that none is of a queue or a topic that is not there.
  assert {
    condition = {
      for role in run.topics.listeners : role => toset(flatten([
        for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : [
          for metric in widget.properties.metrics : join(" ", slice(metric, 1, length(metric)))
        ] if startswith(widget.properties.title, "${role}:")
      ]))
      } == {
      for role in run.topics.listeners : role => toset(concat(
        [
          "ApproximateNumberOfMessagesVisible QueueName booking-${role}.fifo",
          "ApproximateNumberOfMessagesNotVisible QueueName booking-${role}.fifo",
          "ApproximateAgeOfOldestMessage QueueName booking-${role}.fifo",
          "ApproximateNumberOfMessagesVisible QueueName booking-${role}-dlq.fifo",
          "ApproximateNumberOfMessagesVisible QueueName booking-${role}-undelivered.fifo",
          "NumberOfMessagesDeleted QueueName booking-${role}.fifo",
        ],
        formatlist("NumberOfMessagesPublished TopicName %s.fifo", lookup(run.topics.publishes, role, [])),
      ))
    }
    error_message = "A row of the dashboard shows something else than its role."
  }
}

# The ARNs are known only after an apply, here of the mocked provider.
run "the_outputs_are_those_of_fifo_topics_and_queues" {
  command = apply

  assert {
    condition     = output.topic_arns == { for topic in run.topics.topics : topic => aws_sns_topic.fifo[topic].arn }
    error_message = "The output is not the ARN of each FIFO topic, by topic."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners :
      output.queues[role].url == aws_sqs_queue.role[role].url && output.queues[role].dlq_url == aws_sqs_queue.dlq[role].url &&
      output.queues[role].undelivered_url == aws_sqs_queue.undelivered[role].url
    ])
    error_message = "The outputs tell of other queues than those of the listeners."
  }
}
