# As many tasks as the backlog needs, between a minimum and a maximum.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  prefix     = "staging-"
  store      = "dynamodb"
  image      = "registry.example/booking:1.4.0"
  vpc_id     = "vpc-0a1b2c3d"
  subnet_ids = ["subnet-0a1b2c3d"]
  flights    = "sample"
  gateway    = "simulated"
  mailer     = "folder"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "backlog_a_task" {
  command = plan

  assert {
    condition = { for role, it in aws_appautoscaling_target.role : role => join(" ", [
      it.service_namespace, it.scalable_dimension, it.resource_id, it.min_capacity, it.max_capacity
      ]) } == { for role in run.topics.roles : role =>
      "ecs ecs:service:DesiredCount service/staging-booking/staging-booking-${role} 2 10"
    }
    error_message = "Not every service scales from 2 to 10 tasks."
  }

  # Each metric as its id, and what it is the average of; the expression as its id, and itself.
  assert {
    condition = {
      for role, it in aws_appautoscaling_policy.backlog : role => toset([
        for metric in it.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : join(" ", concat(
          [metric.id, metric.return_data ? "returned" : "used"],
          length(metric.metric_stat) == 0 ? [metric.expression] : flatten([
            metric.metric_stat[0].stat,
            metric.metric_stat[0].metric[0].namespace,
            metric.metric_stat[0].metric[0].metric_name,
            [for dimension in metric.metric_stat[0].metric[0].dimensions : "${dimension.name}=${dimension.value}"],
          ]),
        ))
      ])
      } == {
      for role in run.topics.roles : role => toset([
        "backlog returned visible / running",
        "visible used Average AWS/SQS ApproximateNumberOfMessagesVisible QueueName=staging-booking-${role}",
        "running used Average ECS/ContainerInsights RunningTaskCount ClusterName=staging-booking ServiceName=staging-booking-${role}",
      ])
    }
    error_message = "A service does not scale on the waiting messages of its own queue divided by its own running tasks."
  }

  assert {
    condition = alltrue([
      for role, it in aws_appautoscaling_policy.backlog : it.policy_type == "TargetTrackingScaling" &&
      it.resource_id == aws_appautoscaling_target.role[role].resource_id && alltrue([
        for tracking in it.target_tracking_scaling_policy_configuration :
        tracking.target_value == 100 && tracking.scale_out_cooldown == 60 && tracking.scale_in_cooldown == 300 && !coalesce(tracking.disable_scale_in, false)
      ])
    ])
    error_message = "A policy does not keep the backlog at 100 a task, quick out and slow in."
  }
}

run "each_role_has_its_own_numbers" {
  command = plan
  variables {
    tasks = { seats = { min = 3, max = 30, backlog = 500 }, payment = { max = 2 } }
  }

  assert {
    condition = { for role in run.topics.roles : role => [
      aws_appautoscaling_target.role[role].min_capacity,
      aws_appautoscaling_target.role[role].max_capacity,
      aws_appautoscaling_policy.backlog[role].target_tracking_scaling_policy_configuration[0].target_value,
      aws_ecs_service.role[role].desired_count,
      ] } == { for role in run.topics.roles : role =>
      role == "seats" ? [3, 30, 500, 3] : role == "payment" ? [2, 2, 100, 2] : [2, 10, 100, 2]
    }
    error_message = "min, max or backlog of a role has no effect, or one on another role."
  }
}

# The defaults stand in the variable's type, and again for the roles it does not name.
run "a_role_that_is_named_has_the_same_defaults" {
  command = plan
  variables { tasks = { seats = {} } }

  assert {
    condition     = local.tasks["seats"] == local.tasks["status"] && local.tasks["status"] == local.task_defaults
    error_message = "A role that is named in tasks has other defaults than one that is not."
  }
}

run "fewer_at_most_than_at_least" {
  command = plan
  variables { tasks = { seats = { min = 5, max = 4 } } }
  expect_failures = [var.tasks]
}

run "a_maximum_below_the_default_minimum" {
  command = plan
  variables { tasks = { seats = { max = 1 } } }
  expect_failures = [var.tasks]
}

run "down_to_none" {
  command = plan
  variables { tasks = { seats = { min = 0 } } }
  expect_failures = [var.tasks]
}

run "half_a_task" {
  command = plan
  variables { tasks = { seats = { min = 1.5 } } }
  expect_failures = [var.tasks]
}

run "no_backlog_at_all" {
  command = plan
  variables { tasks = { seats = { backlog = 0 } } }
  expect_failures = [var.tasks]
}

run "a_role_that_is_none" {
  command = plan
  variables { tasks = { seat = { max = 4 } } }
  expect_failures = [var.tasks]
}

run "a_size_fargate_does_not_have" {
  command = plan
  variables { tasks = { seats = { cpu = 256, memory = 4096 } } }
  expect_failures = [var.tasks]
}

run "a_cpu_fargate_does_not_have" {
  command = plan
  variables { tasks = { seats = { cpu = 300, memory = 512 } } }
  expect_failures = [var.tasks]
}
