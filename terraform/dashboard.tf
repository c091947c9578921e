# One dashboard with one row for each role and each guest: waiting messages and messages in flight, the
# age of the oldest, dead letters, and events heard and published; with services also tasks or
# functions, and with tables also capacity units. The state machine, if there is one, has the last row.

locals {
  dashboard_columns = 24
  dashboard_row     = 6

  # role => its panels from left to right: a title, and the metrics in the form of CloudWatch
  panels = {
    for role in sort(local.listeners) : role => concat(
      [
        {
          title = "${role}: waiting and in flight"
          stat  = "Maximum"
          metrics = [
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queue_names[role]],
            ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", local.queue_names[role]],
          ]
        },
        {
          title   = "${role}: age of the oldest message (s)"
          stat    = "Maximum"
          metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", local.queue_names[role]]]
        },
        {
          title = "${role}: dead letters${local.orchestrated ? "" : " and undelivered"}"
          stat  = "Maximum"
          metrics = [
            for names in [local.dlq_names, local.undelivered_names] :
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", names[role]] if contains(keys(names), role)
          ]
        },
        {
          title = "${role}: heard${local.orchestrated ? "" : " and said"}"
          stat  = "Sum"
          metrics = concat(
            [["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", local.queue_names[role]]],
            [for topic in local.publishes[role] : ["AWS/SNS", "NumberOfMessagesPublished", "TopicName", local.topic_names[topic]] if local.carrier == "sns"],
            [
              for topic in local.publishes[role] : ["AWS/Events", "TriggeredRules", "EventBusName", local.bus_name, "RuleName", local.counting_rules[topic]]
              if contains(keys(local.counting_rules), topic)
            ],
          )
        },
      ],
      !contains(local.running, role) ? [] : [{
        title = "${role}: tasks"
        stat  = "Average"
        metrics = [
          for metric in ["DesiredTaskCount", "RunningTaskCount"] :
          ["ECS/ContainerInsights", metric, "ClusterName", local.cluster_name, "ServiceName", local.service_names[role]]
        ]
      }],
      [for it in local.function_panels : it.panel if it.role == role],
      !contains(local.stored, role) ? [] : [{
        title = "${role}: capacity units of the table"
        stat  = "Sum"
        metrics = [
          for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] :
          ["AWS/DynamoDB", metric, "TableName", local.table_names[role]]
        ]
      }],
    )
  }

  machine_panels = [
    {
      title = "machine: executions"
      stat  = "Sum"
      metrics = [
        for metric in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] :
        ["AWS/States", metric, "StateMachineArn", local.machine_arn]
      ]
    },
    {
      title   = "machine: time of a booking (ms)"
      stat    = "Average"
      metrics = [["AWS/States", "ExecutionTime", "StateMachineArn", local.machine_arn]]
    },
  ]

  # From top to bottom.
  dashboard_rows = concat(
    [for role in sort(local.listeners) : local.panels[role]],
    [for panels in [local.machine_panels] : panels if local.orchestrated],
  )
}

resource "aws_cloudwatch_dashboard" "booking" {
  count = local.monitored ? 1 : 0

  dashboard_name = "${var.prefix}booking"

  dashboard_body = jsonencode({
    widgets = flatten([
      for row, panels in local.dashboard_rows : [
        for place, panel in panels : {
          type   = "metric"
          x      = place * floor(local.dashboard_columns / length(panels))
          y      = row * local.dashboard_row
          width  = floor(local.dashboard_columns / length(panels))
          height = local.dashboard_row
          properties = {
            title   = panel.title
            region  = local.region
            view    = "timeSeries"
            period  = 60
            stat    = panel.stat
            metrics = panel.metrics
          }
        }
      ]
    ])
  })
}
