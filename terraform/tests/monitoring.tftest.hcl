# Every queue, topic and service is watched, every alarm reaches somebody, and each role has its row.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "alarms_of_queues_and_topics" {
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
      [for topic in run.topics.topics :
        "${topic}-failed-notifications AWS/SNS NumberOfNotificationsFailed {\"TopicName\":\"${topic}\"} Sum GreaterThanThreshold 0 1/5x60s"
      ],
    ))
    error_message = "The alarms are not exactly those of each queue and each topic."
  }

  # A tripwire for the arithmetic in README.md.
  assert {
    condition     = 4 * length(run.topics.roles) + length(run.topics.topics) == 24 && length(aws_cloudwatch_metric_alarm.tasks) + length(aws_cloudwatch_metric_alarm.breaker) == 0
    error_message = "There are no longer 24 alarms without services: mend the costs in README.md."
  }

  assert {
    condition = alltrue([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic :
      it.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:booking-alarms"]) &&
      it.ok_actions == it.alarm_actions && it.treat_missing_data == "notBreaching" && length(it.alarm_description) > 20
    ])
    error_message = "An alarm does not reach the alarm topic, says nothing, or goes off when nothing happens."
  }

  assert {
    condition = (
      aws_sns_topic.alarms[0].name == "booking-alarms" &&
      output.alarm_topic_arn == "arn:aws:sns:eu-central-1:123456789012:booking-alarms"
    )
    error_message = "The alarm topic is not created."
  }
}

run "alarms_of_services" {
  command = plan

  variables {
    prefix          = "staging-"
    store           = "dynamodb"
    image           = "registry.example/booking:1.4.0"
    vpc_id          = "vpc-0a1b2c3d"
    subnet_ids      = ["subnet-0a1b2c3d"]
    flights         = "sample"
    gateway         = "simulated"
    mailer          = "folder"
    alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:pager"
  }

  assert {
    condition = {
      for role, it in aws_cloudwatch_metric_alarm.tasks : role => toset([
        for query in it.metric_query : join(" ", concat(
          [query.id, coalesce(query.return_data, false) ? "returned" : "used"],
          length(query.metric) == 0 ? [query.expression] : flatten([
            query.metric[0].namespace, query.metric[0].metric_name, jsonencode(query.metric[0].dimensions),
            query.metric[0].stat, query.metric[0].period
          ]),
        ))
      ])
      } == {
      for role in run.topics.roles : role => toset([
        "missing returned desired - running",
        "desired used ECS/ContainerInsights DesiredTaskCount {\"ClusterName\":\"staging-booking\",\"ServiceName\":\"staging-booking-${role}\"} Average 60",
        "running used ECS/ContainerInsights RunningTaskCount {\"ClusterName\":\"staging-booking\",\"ServiceName\":\"staging-booking-${role}\"} Average 60",
      ])
    }
    error_message = "Not every service is watched for tasks that should run and do not."
  }

  assert {
    condition = alltrue([
      for role, it in aws_cloudwatch_metric_alarm.tasks :
      it.alarm_name == "staging-booking-${role}-tasks" && it.comparison_operator == "GreaterThanThreshold" && it.threshold == 0 &&
      it.datapoints_to_alarm == 5 && it.evaluation_periods == 10 && it.treat_missing_data == "breaching"
    ])
    error_message = "Missing tasks are no alarm after 5 of 10 minutes, or are none when nothing is reported."
  }

  # The filter counts in the log of the role whose alarm looks at the count.
  assert {
    condition = {
      for role, it in aws_cloudwatch_log_metric_filter.breaker : role => join(" ", [
        it.log_group_name, it.pattern, it.metric_transformation[0].namespace, it.metric_transformation[0].name, it.metric_transformation[0].value,
      ])
      } == {
      for role in run.topics.roles : role =>
      "/ecs/staging-booking-${role} { $.breaker = \"open\" } staging-booking staging-booking-${role}-breaker-open 1"
    }
    error_message = "Not every service's log is counted for an open breaker."
  }

  assert {
    condition = {
      for role, it in aws_cloudwatch_metric_alarm.breaker : role => join(" ", [
        it.alarm_name, it.namespace, it.metric_name, it.statistic, it.comparison_operator, it.threshold,
        "${it.datapoints_to_alarm}/${it.evaluation_periods}x${it.period}s", it.treat_missing_data,
      ])
      } == {
      for role in run.topics.roles : role =>
      "staging-booking-${role}-breaker-open staging-booking staging-booking-${role}-breaker-open Sum GreaterThanThreshold 0 1/5x60s notBreaching"
    }
    error_message = "An open breaker is no alarm, or another than it should be."
  }

  assert {
    condition = length(aws_sns_topic.alarms) == 0 && alltrue([
      for it in concat(values(aws_cloudwatch_metric_alarm.tasks), values(aws_cloudwatch_metric_alarm.breaker), values(aws_cloudwatch_metric_alarm.queue_or_topic)) :
      it.alarm_actions == toset([var.alarm_topic_arn]) && it.ok_actions == toset([var.alarm_topic_arn]) && startswith(it.alarm_name, "staging-")
    ])
    error_message = "A given alarm topic is not used by every alarm, or one is created beside it."
  }
}

run "one_row_a_role" {
  command = plan

  assert {
    condition = aws_cloudwatch_dashboard.booking[0].dashboard_name == "booking" && [
      for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : join(" ", [widget.x, widget.y, widget.width, widget.height, widget.properties.title])
      ] == flatten([
        for row, role in sort(run.topics.listeners) : [
          "0 ${row * 6} 6 6 ${role}: waiting and in flight",
          "6 ${row * 6} 6 6 ${role}: age of the oldest message (s)",
          "12 ${row * 6} 6 6 ${role}: dead letters and undelivered",
          "18 ${row * 6} 6 6 ${role}: heard and said",
        ]
    ])
    error_message = "The dashboard has not one row of four panels a role or guest."
  }
}

run "a_row_has_tasks_and_table_too" {
  command = plan

  variables {
    prefix     = "staging-"
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition = {
      for role in run.topics.roles : role => [
        for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : "${widget.x} ${widget.width}" if startswith(widget.properties.title, "${role}:")
      ]
    } == { for role in run.topics.roles : role => ["0 4", "4 4", "8 4", "12 4", "16 4", "20 4"] }
    error_message = "A row has not six panels side by side."
  }

  # Every metric, so that no panel shows another role's.
  assert {
    condition = {
      for role in run.topics.roles : role => toset(flatten([
        for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : [
          for metric in widget.properties.metrics : join(" ", slice(metric, 1, length(metric)))
        ] if startswith(widget.properties.title, "${role}:")
      ]))
      } == {
      for role in run.topics.roles : role => toset(concat(
        [
          "ApproximateNumberOfMessagesVisible QueueName staging-booking-${role}",
          "ApproximateNumberOfMessagesNotVisible QueueName staging-booking-${role}",
          "ApproximateAgeOfOldestMessage QueueName staging-booking-${role}",
          "ApproximateNumberOfMessagesVisible QueueName staging-booking-${role}-dlq",
          "ApproximateNumberOfMessagesVisible QueueName staging-booking-${role}-undelivered",
          "NumberOfMessagesDeleted QueueName staging-booking-${role}",
          "DesiredTaskCount ClusterName staging-booking ServiceName staging-booking-${role}",
          "RunningTaskCount ClusterName staging-booking ServiceName staging-booking-${role}",
          "ConsumedReadCapacityUnits TableName staging-booking-${role}",
          "ConsumedWriteCapacityUnits TableName staging-booking-${role}",
        ],
        formatlist("NumberOfMessagesPublished TopicName staging-%s", lookup(run.topics.publishes, role, [])),
      ))
    }
    error_message = "A row shows something else than its role."
  }
}

run "nothing_is_watched_on_an_emulator" {
  command = plan
  variables { endpoint_url = "http://127.0.0.1:4566" }

  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.queue_or_topic) + length(aws_cloudwatch_metric_alarm.tasks) +
      length(aws_cloudwatch_metric_alarm.breaker) + length(aws_cloudwatch_log_metric_filter.breaker) +
      length(aws_sns_topic.alarms) + length(aws_cloudwatch_dashboard.booking) == 0 && output.alarm_topic_arn == null
    )
    error_message = "An emulator gets alarms or a dashboard."
  }
}

run "nothing_is_watched_if_nobody_wants_it" {
  command = plan
  variables { monitoring = false }

  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.queue_or_topic) + length(aws_sns_topic.alarms) + length(aws_cloudwatch_dashboard.booking) == 0
    )
    error_message = "monitoring = false has no effect."
  }
}

run "the_age_that_is_an_alarm_is_a_variable" {
  command = plan
  variables { oldest_message_alarm_s = 60 }

  assert {
    condition = length([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : it if it.metric_name == "ApproximateAgeOfOldestMessage" && it.threshold == 60
    ]) == length(run.topics.listeners)
    error_message = "oldest_message_alarm_s has no effect."
  }
}

run "an_age_that_no_message_reaches" {
  command = plan
  variables { oldest_message_alarm_s = 345600 }
  expect_failures = [var.oldest_message_alarm_s]
}

run "an_alarm_topic_that_is_none" {
  command = plan
  variables { alarm_topic_arn = "booking-alarms" }
  expect_failures = [var.alarm_topic_arn]
}
