# What a person should be woken for, or look at tomorrow. Each alarm says in its description what it
# means and what to do first. An emulator has no alarms.

locals {
  monitored = var.monitoring && !local.emulated

  alarm_topic     = "${var.prefix}booking-alarms"
  alarm_topic_arn = coalesce(var.alarm_topic_arn, "${local.sns}:${local.alarm_topic}")

  breaker_namespace = "${var.prefix}booking"

  # SQS hands out no more than 120,000 messages of a queue at once, and says nothing when it stops.
  in_flight_limit = 100000

  # name => what to watch, minute by minute: an alarm is `of` minutes out of `minutes` above the threshold
  alarms = merge(
    {
      for role, queue in local.queue_names : "${queue}-oldest-message" => {
        metric      = "AWS/SQS ApproximateAgeOfOldestMessage Maximum"
        dimensions  = { QueueName = queue }
        above       = var.oldest_message_alarm_s
        of          = 3
        minutes     = 3
        description = "${role} is falling behind, or gives one message back again and again. Look at its tasks and its log; scale with tasks.${role}.max."
      }
    },
    {
      for role, queue in local.queue_names : "${queue}-in-flight" => {
        metric      = "AWS/SQS ApproximateNumberOfMessagesNotVisible Maximum"
        dimensions  = { QueueName = queue }
        above       = local.in_flight_limit
        of          = 1
        minutes     = 1
        description = "${role} has received more than it finishes. At 120,000 SQS hands out nothing more, without an error."
      }
    },
    # Five minutes: `booking dlq ls` hides messages for a moment, which must not end an alarm and start another.
    {
      for role, queue in local.dlq_names : queue => {
        metric      = "AWS/SQS ApproximateNumberOfMessagesVisible Maximum"
        dimensions  = { QueueName = queue }
        above       = 0
        of          = 1
        minutes     = 5
        description = "${role} set a message aside, or received it too often. Why: booking dlq ls ${role}. Back to work: booking dlq redrive ${role}. A flood of what nobody wants: booking dlq drop ${role} --class CLASS."
      }
    },
    {
      for role, queue in local.undelivered_names : queue => {
        metric      = "AWS/SQS ApproximateNumberOfMessagesVisible Maximum"
        dimensions  = { QueueName = queue }
        above       = 0
        of          = 1
        minutes     = 5
        description = "SNS could not deliver to ${role}: most likely its queue, the queue's policy or the key's policy was changed. Find out with booking check, then booking dlq redrive ${role}."
      }
    },
    {
      for topic, name in local.topic_names : "${name}-failed-notifications" => {
        metric      = "AWS/SNS NumberOfNotificationsFailed Sum"
        dimensions  = { TopicName = name }
        above       = 0
        of          = 1
        minutes     = 5
        description = "SNS gave up on delivering ${topic} to a subscriber. It is on that role's -undelivered queue. Find out why with booking check."
      }
    },
  )
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
  # A queue or topic that nobody uses has no figures, and nothing to be alarmed about.
  treat_missing_data = "notBreaching"
  alarm_actions      = [local.alarm_topic_arn]
  ok_actions         = [local.alarm_topic_arn]
}

# A task whose health check fails is stopped and replaced. As long as that helps, nobody is woken.
resource "aws_cloudwatch_metric_alarm" "tasks" {
  for_each = local.monitored ? local.running : toset([])

  alarm_name          = "${local.service_names[each.key]}-tasks"
  alarm_description   = "${each.key} has fewer healthy tasks than it should, or Container Insights is off. The service's events say why tasks stop; their log ends with the reason."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  datapoints_to_alarm = 5
  evaluation_periods  = 10
  # Nothing is reported of a service that is gone.
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

# A service that has stopped polling because its store, its provider or the topics are down is healthy:
# a restart would mend nothing. It logs a line when its breaker opens, and one for each trial in vain.
resource "aws_cloudwatch_log_metric_filter" "breaker" {
  for_each = local.monitored ? local.running : toset([])

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
  for_each = local.monitored ? local.running : toset([])

  alarm_name          = "${local.service_names[each.key]}-breaker-open"
  alarm_description   = "${each.key} has stopped polling: its store, what it asks outside or the topics are down. Its log says which and why, at breaker = open, and so does /health of its tasks. It goes on by itself; nothing is lost meanwhile."
  namespace           = local.breaker_namespace
  metric_name         = aws_cloudwatch_log_metric_filter.breaker[each.key].metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # Five minutes: what is tried may have to come back to its queue first, and an alarm that is over in
  # between and starts again says nothing.
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
