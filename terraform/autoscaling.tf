# Scales the services on their backlog. Not on CPU, since a service that waits for DynamoDB or a
# payment provider falls behind without using much CPU.

resource "aws_appautoscaling_target" "role" {
  for_each = local.running

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${local.cluster_name}/${local.service_names[each.key]}"
  min_capacity       = local.tasks[each.key].min
  max_capacity       = local.tasks[each.key].max

  depends_on = [aws_ecs_service.role]
}

resource "aws_appautoscaling_policy" "backlog" {
  for_each = local.running

  name               = "${var.prefix}booking-${each.key}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.role[each.key].service_namespace
  scalable_dimension = aws_appautoscaling_target.role[each.key].scalable_dimension
  resource_id        = aws_appautoscaling_target.role[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value = local.tasks[each.key].backlog

    # Scales out fast and in slowly: an idle task for a few minutes costs less than a rush that
    # waits.
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    # Waiting messages for each running task. Messages in flight do not count: a task is working on
    # them.
    customized_metric_specification {
      metrics {
        id          = "backlog"
        label       = "Waiting messages for each running task"
        expression  = "visible / running"
        return_data = true
      }

      metrics {
        id          = "visible"
        label       = "Waiting messages"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = local.queue_names[each.key]
            }
          }
        }
      }

      metrics {
        id          = "running"
        label       = "Running tasks"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"

            dimensions {
              name  = "ClusterName"
              value = local.cluster_name
            }

            dimensions {
              name  = "ServiceName"
              value = local.service_names[each.key]
            }
          }
        }
      }
    }
  }
}
