# The alarms. The description of each one says what it means and what to do first. On an emulator
# there are none.

locals {
  monitored = var.monitoring && !local.emulated

  alarm_topic     = "${var.prefix}booking-alarms"
  alarm_topic_arn = coalesce(var.alarm_topic_arn, "${local.sns}:${local.alarm_topic}")

  breaker_namespace = "${var.prefix}booking"

  # SQS lets at most 120,000 messages of a queue be in flight. Beyond that, a long poll gets no
  # messages, and no error.
  in_flight_limit = 100000

  # name => metric and threshold. The alarm goes off when `of` of the last `minutes` minutes are
  # above it. The names are the same with and without fifo.
  alarms = merge(
    {
      for role, queue in local.queue_names : "${trimsuffix(queue, local.fifo_end)}-oldest-message" => {
        metric      = "AWS/SQS ApproximateAgeOfOldestMessage Maximum"
        dimensions  = { QueueName = queue }
        above       = var.oldest_message_alarm_s
        of          = 3
        minutes     = 3
        description = "${role} is falling behind, or retries one message again and again. Look at its ${local.workers[role]} and its log.${contains(local.guests, role) ? "" : contains(local.functions, role) ? " If it needs more instances at once, raise lambda_concurrency_max." : " If it needs more tasks, raise tasks.${role}.max."}"
      }
    },
    {
      for role, queue in local.queue_names : "${trimsuffix(queue, local.fifo_end)}-in-flight" => {
        metric      = "AWS/SQS ApproximateNumberOfMessagesNotVisible Maximum"
        dimensions  = { QueueName = queue }
        above       = local.in_flight_limit
        of          = 1
        minutes     = 1
        description = "${role} receives more messages than it finishes. At 120,000 messages in flight SQS delivers no more, without an error. Look at its ${local.workers[role]} and its log."
      }
    },
    # Five minutes, since `booking dlq ls` hides messages for a moment, which must not end one alarm
    # and start another.
    {
      for role, queue in local.dlq_names : trimsuffix(queue, local.fifo_end) => {
        metric     = "AWS/SQS ApproximateNumberOfMessagesVisible Maximum"
        dimensions = { QueueName = queue }
        above      = 0
        of         = 1
        minutes    = 5
        description = (
          contains(local.guests, role) ? "The team of ${role}: it received a message too often, or set it aside. Look at the messages and its log. To put messages back: aws sqs start-message-move-task with the ARN of this queue." :
          local.orchestrated ? "${role} set a task aside, or received it too often. The attributes of the message and the log of ${role} say why. Its execution has failed as well, or has asked anew: redrive the execution, and do not put back a message that has a token, since nobody waits for its answer. Put back the others: aws sqs start-message-move-task with the ARN of this queue." :
          "${role} set a message aside, or received it too often. booking dlq ls ${role} says why. To put messages back: booking dlq redrive ${role}. To delete a flood of useless messages: booking dlq drop ${role} --class CLASS."
        )
      }
    },
    {
      for role, queue in local.undelivered_names : trimsuffix(queue, local.fifo_end) => {
        metric      = "AWS/SQS ApproximateNumberOfMessagesVisible Maximum"
        dimensions  = { QueueName = queue }
        above       = 0
        of          = 1
        minutes     = 5
        description = "${local.carrier == "eventbridge" ? "EventBridge" : "SNS"} could not deliver messages to ${role}. Most likely its queue, the policy of the queue or the policy of the KMS key was changed. booking check says which. Mend it, then ${contains(local.guests, role) ? "send the messages on to its queue" : "run booking dlq redrive ${role}"}."
      }
    },
    {
      for topic, name in local.topic_names : "${trimsuffix(name, local.fifo_end)}-failed-notifications" => {
        metric      = "AWS/SNS NumberOfNotificationsFailed Sum"
        dimensions  = { TopicName = name }
        above       = 0
        of          = 1
        minutes     = 5
        description = "SNS gave up delivering a ${topic} event to a subscriber. The event is on the -undelivered queue of that role. booking check says why."
      }
    },
    {
      for pair, name in local.rule_names : "${name}-failed-invocations" => {
        metric      = "AWS/Events FailedInvocations Sum"
        dimensions  = { EventBusName = local.bus_name, RuleName = name }
        above       = 0
        of          = 1
        minutes     = 5
        description = "EventBridge gave up delivering a ${local.subscriptions[pair].topic} event to ${local.subscriptions[pair].listener}. The event is on the -undelivered queue of ${local.subscriptions[pair].listener}; if it is not there, it is lost. booking check says why."
      }
    },
    {
      for end, it in local.execution_alarms : "${local.machine_name}-executions-${end}" => {
        metric      = "AWS/States ${it.metric} Sum"
        dimensions  = { StateMachineArn = local.machine_arn }
        above       = 0
        of          = 1
        minutes     = 5
        description = it.description
      } if local.orchestrated
    },
    local.function_alarms,
  )

  # listener => who works on its queue
  workers = { for role in local.listeners : role => contains(local.functions, role) ? "function" : "tasks" }

  # The end of the name of an alarm => the metric of the state machine, and what it means.
  execution_alarms = {
    failed = {
      metric      = "ExecutionsFailed"
      description = "A booking did not go through the state machine. Error Rejected: its request is not valid; its dead letter says why. SetAside: a service set its task aside; the dead-letter queue of that service has it, with the reason. Any other error is in the history of the execution. Mend the cause, then go on where it failed: aws stepfunctions redrive-execution with the ARN of the execution."
    }
    timed-out = {
      metric      = "ExecutionsTimedOut"
      description = "A booking did not get through the state machine within its TimeoutSeconds: a service gave no answer for that long, and the history of the execution says which one. Look at its tasks and its log. Then go on where it stopped: aws stepfunctions redrive-execution with the ARN of the execution."
    }
    aborted = {
      metric      = "ExecutionsAborted"
      description = "Somebody stopped the execution of a booking. Nothing is undone by itself, and a task that is on its queue is still dealt with: the card may be charged later. To go on: aws stepfunctions redrive-execution with the ARN of the execution."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "queue_or_topic" {
  for_each = local.monitored ? local.alarms : {}

  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = split(" ", each.value.metric)[0]
  metric_name         = split(" ", each.value.metric)[1]
  statistic           = split(" ", each.value.metric)[2]
  dimensions          = each.value.dimensions
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 60
  datapoints_to_alarm = each.value.of
  evaluation_periods  = each.value.minutes
  # A queue, topic, rule, machine or function without traffic has no data, which is no reason for an alarm.
  treat_missing_data = "notBreaching"
  alarm_actions      = [local.alarm_topic_arn]
  ok_actions         = [local.alarm_topic_arn]
}

# ECS stops and replaces a task whose health check fails. As long as that helps, there is no alarm.
resource "aws_cloudwatch_metric_alarm" "tasks" {
  for_each = local.monitored ? local.running : toset([])

  alarm_name          = "${local.service_names[each.key]}-tasks"
  alarm_description   = "${each.key} has fewer running tasks than it should, or Container Insights is off. The events of the ECS service say why tasks stop, and so does the last line of their log."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  datapoints_to_alarm = 5
  evaluation_periods  = 10
  # A service that is gone has no data.
  treat_missing_data = "breaching"
  alarm_actions      = [local.alarm_topic_arn]
  ok_actions         = [local.alarm_topic_arn]

  metric_query {
    id          = "missing"
    label       = "Tasks that should run and do not"
    expression  = "desired - running"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { desired = "DesiredTaskCount", running = "RunningTaskCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "ECS/ContainerInsights"
        metric_name = metric_query.value
        dimensions  = { ClusterName = local.cluster_name, ServiceName = local.service_names[each.key] }
        period      = 60
        stat        = "Average"
      }
    }
  }
}

# A service that pauses because its store, its payment provider, its mailer or the topics are down
# counts as healthy, since a restart would not help. It logs a line when its breaker opens, and
# another after each trial that fails.
resource "aws_cloudwatch_log_metric_filter" "breaker" {
  for_each = local.monitored ? local.served : toset([])

  name           = "${local.service_names[each.key]}-breaker-open"
  log_group_name = aws_cloudwatch_log_group.role[each.key].name
  pattern        = "{ $.breaker = \"open\" }"

  metric_transformation {
    name      = "${local.service_names[each.key]}-breaker-open"
    namespace = local.breaker_namespace
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "breaker" {
  for_each = local.monitored ? local.served : toset([])

  alarm_name          = "${local.service_names[each.key]}-breaker-open"
  alarm_description   = "${each.key} has stopped ${contains(local.functions, each.key) ? "taking messages" : "polling"}, because its store, its payment provider, its mailer or the topics are down. The log line with breaker = open says which and why${contains(local.functions, each.key) ? "" : ", and so does /health"}. The service resumes by itself. No message is lost, but after a long outage some are in the dead-letter queue."
  namespace           = local.breaker_namespace
  metric_name         = aws_cloudwatch_log_metric_filter.breaker[each.key].metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # Five minutes, since the message of the next trial may have to come back to the queue first. A
  # shorter alarm would end in between and start again.
  period              = 60
  datapoints_to_alarm = 1
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.alarm_topic_arn]
  ok_actions          = [local.alarm_topic_arn]
}

resource "aws_sns_topic" "alarms" {
  count = local.monitored && var.alarm_topic_arn == null ? 1 : 0

  name              = local.alarm_topic
  kms_master_key_id = var.kms_key_arn
}
