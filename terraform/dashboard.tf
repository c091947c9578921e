# One dashboard with one row for each role and each guest: waiting messages and messages in flight, the age of the
# oldest, dead letters, and events heard and published; with services also tasks, and with tables
# also capacity units.

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
          title = "${role}: dead letters and undelivered"
          stat  = "Maximum"
          metrics = [
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.dlq_names[role]],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.undelivered_names[role]],
          ]
        },
        {
          title = "${role}: heard and said"
          stat  = "Sum"
          metrics = concat(
            [["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", local.queue_names[role]]],
            [for topic in local.publishes[role] : ["AWS/SNS", "NumberOfMessagesPublished", "TopicName", local.topic_names[topic]]],
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
}

resource "aws_cloudwatch_dashboard" "booking" {
  count = local.monitored ? 1 : 0

  dashboard_name = "${var.prefix}booking"

  dashboard_body = jsonencode({
    widgets = flatten([
      for row, role in sort(local.listeners) : [
        for place, panel in local.panels[role] : {
          type   = "metric"
          x      = place * floor(local.dashboard_columns / length(local.panels[role]))
          y      = row * local.dashboard_row
          width  = floor(local.dashboard_columns / length(local.panels[role]))
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
