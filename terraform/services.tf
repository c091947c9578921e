# One ECS service on Fargate for each role. Created only if an image is given.

locals {
  own_cluster  = length(local.running) > 0 && var.cluster_arn == null
  cluster_name = var.cluster_arn == null ? "${var.prefix}booking" : element(split("/", var.cluster_arn), 1)
  cluster_arn  = coalesce(var.cluster_arn, "arn:${local.partition}:ecs:${local.region}:${local.account_id}:cluster/${local.cluster_name}")

  # role => the name of its service, which its function has as well.
  service_names = { for role in local.served : role => "${var.prefix}booking-${role}" }
}

resource "aws_ecs_cluster" "own" {
  count = local.own_cluster ? 1 : 0

  name = local.cluster_name

  # Autoscaling and an alarm need the number of running tasks, which only Container Insights
  # reports.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_service" "role" {
  for_each = local.running

  name             = local.service_names[each.key]
  cluster          = local.cluster_arn
  task_definition  = aws_ecs_task_definition.role[each.key].arn
  launch_type      = "FARGATE"
  platform_version = "LATEST"
  desired_count    = local.tasks[each.key].min

  # New tasks start before old ones stop. Replicas of different versions may work on the same queue.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  # If the tasks of a new version do not become healthy, ECS goes back to the version before.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.role[each.key].id]
    assign_public_ip = var.assign_public_ip
  }

  dynamic "load_balancer" {
    for_each = each.key == local.answering && var.target_group_arn != null ? [var.target_group_arn] : []

    content {
      target_group_arn = load_balancer.value
      container_name   = each.key
      container_port   = local.port
    }
  }

  # As long as a container may take to start: see healthCheck in tasks.tf.
  health_check_grace_period_seconds = each.key == local.answering && var.target_group_arn != null ? 60 : null

  propagate_tags          = "SERVICE"
  enable_ecs_managed_tags = true

  # The image has no shell to log in to.
  enable_execute_command = false

  lifecycle {
    # Autoscaling decides this from the first minute on.
    ignore_changes = [desired_count]
  }

  # Without these, a service would start before its rights, queues or tables exist, end, and be
  # restarted.
  depends_on = [
    aws_cloudwatch_event_target.role,
    aws_cloudwatch_log_group.role,
    aws_dynamodb_table.role,
    aws_ecs_cluster.own,
    aws_iam_role_policy.execution,
    aws_iam_role_policy_attachment.task,
    aws_sns_topic_subscription.role,
    aws_sqs_queue_redrive_policy.role,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.smtp,
  ]
}
