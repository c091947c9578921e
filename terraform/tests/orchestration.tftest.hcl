# Orchestration by Step Functions: the state machine, the queues of its tasks, and what comes with them;
# and nothing of it by default. Who may do what is in orchestration-access.tftest.hcl.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id  = "123456789012"
  region      = "eu-central-1"
  integration = "step-functions"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "nothing_of_it_by_default" {
  command = plan
  # Null is the default.
  variables { integration = null }

  assert {
    condition = sum([
      length(aws_sfn_state_machine.booking), length(aws_cloudwatch_log_group.machine), length(aws_iam_role.machine),
      length(aws_iam_role_policy.machine), length([for it in aws_cloudwatch_metric_alarm.queue_or_topic : it if it.namespace == "AWS/States"]),
    ]) == 0 && output.state_machine_arn == null
    error_message = "Something that only the state machine needs is created without it."
  }

  assert {
    condition = !can(regex("states:|-tasks|stateMachine", jsonencode([
      values(aws_iam_policy.publisher)[*].policy, aws_iam_policy.operator.policy, values(aws_sqs_queue.role)[*].name,
      values(aws_sqs_queue.role)[*].policy, aws_cloudwatch_dashboard.booking[0].dashboard_body,
    ])))
    error_message = "A queue, a policy or the dashboard knows of a state machine that is not there."
  }
}

run "choreography_by_name" {
  command = plan
  variables { integration = "choreography" }

  assert {
    condition     = length(aws_sns_topic.topic) == length(run.topics.topics) && length(aws_sqs_queue.undelivered) == length(run.topics.listeners)
    error_message = "choreography makes other topics or queues than those of topics/."
  }
}

run "a_machine" {
  command = plan

  assert {
    condition = (
      aws_sfn_state_machine.booking[0].name == "booking" && aws_sfn_state_machine.booking[0].type == "STANDARD" &&
      aws_sfn_state_machine.booking[0].role_arn == "arn:aws:iam::123456789012:role/booking-machine"
    )
    error_message = "There is no state machine booking of type STANDARD with its own role: tasks that wait for an answer need that type."
  }

  # Without execution data: what went through a booking is nobody's in a log.
  assert {
    condition = [
      for it in aws_sfn_state_machine.booking[0].logging_configuration : "${it.level} ${it.include_execution_data} ${it.log_destination}"
    ] == ["ERROR false arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/states/booking:*"]
    error_message = "The machine logs something else than its errors, or to another place."
  }

  assert {
    condition = (
      aws_cloudwatch_log_group.machine[0].name == "/aws/vendedlogs/states/booking" &&
      aws_cloudwatch_log_group.machine[0].retention_in_days == 30 && aws_cloudwatch_log_group.machine[0].kms_key_id == null
    )
    error_message = "The log of the machine is not kept for 30 days."
  }
}

# The URLs of queues are known only after an apply, here of the mocked provider.
run "the_machine_sends_to_the_four_queues_and_to_nothing_else" {
  command = apply

  assert {
    condition = toset([
      for state in jsondecode(aws_sfn_state_machine.booking[0].definition).States : state.Parameters.QueueUrl if can(state.Parameters)
    ]) == toset(values(aws_sqs_queue.role)[*].url) && length(distinct(values(aws_sqs_queue.role)[*].url)) == 4
    error_message = "The machine sends to other queues than those of the four roles, or not to all of them."
  }

  assert {
    condition = alltrue(flatten([
      for role, states in {
        seats   = ["BookSeat", "ConfirmSeat", "ReleaseSeat"]
        payment = ["TakePayment", "GiveBack"]
        receipt = ["SendReceipt"]
        status  = ["TellRequested", "TellSeat", "TellReceipt"]
        } : [
        for state in states :
        jsondecode(aws_sfn_state_machine.booking[0].definition).States[state].Parameters.QueueUrl == aws_sqs_queue.role[role].url
      ]
    ]))
    error_message = "The machine asks a role for the work of another."
  }

  # So it is asked for no more rights than these: see asked in orchestration.tf.
  assert {
    condition = alltrue([
      for name, state in jsondecode(aws_sfn_state_machine.booking[0].definition).States :
      endswith(state.Resource, state.Parameters.QueueUrl == aws_sqs_queue.role["status"].url ? ":::sqs:sendMessage" : ":::sqs:sendMessage.waitForTaskToken")
      if can(state.Parameters)
    ])
    error_message = "The machine waits for an answer of status, which may give none, or does not wait for one of another role."
  }

  assert {
    condition     = !can(regex("[$%][{]", aws_sfn_state_machine.booking[0].definition))
    error_message = "A placeholder is left in the definition of the machine."
  }

  assert {
    condition     = output.state_machine_arn == aws_sfn_state_machine.booking[0].arn
    error_message = "The output is not the ARN of the machine."
  }

  assert {
    condition = output.topic_arns == {} && alltrue([
      for role in run.topics.roles :
      output.queues[role].url == aws_sqs_queue.role[role].url && output.queues[role].dlq_url == aws_sqs_queue.dlq[role].url &&
      output.queues[role].undelivered_url == null && output.queues[role].undelivered_arn == null
    ])
    error_message = "The outputs tell of other queues than those of the tasks."
  }
}

run "queues_of_tasks_instead_of_topics" {
  command = plan

  assert {
    condition = (
      toset(values(aws_sqs_queue.role)[*].name) == toset(formatlist("booking-%s-tasks", run.topics.roles)) &&
      toset(values(aws_sqs_queue.dlq)[*].name) == toset(formatlist("booking-%s-tasks-dlq", run.topics.roles))
    )
    error_message = "Not every role has exactly its queue of tasks and the -dlq beside it."
  }

  assert {
    condition     = length(aws_sns_topic.topic) + length(aws_sns_topic_subscription.role) + length(aws_sqs_queue.undelivered) == 0
    error_message = "There are topics, subscriptions or queues that nobody uses."
  }

  assert {
    condition = alltrue([
      for it in aws_sqs_queue.role :
      it.visibility_timeout_seconds == 60 && it.receive_wait_time_seconds == 20 && it.message_retention_seconds == 4 * 24 * 3600 &&
      it.sqs_managed_sse_enabled == true && it.kms_master_key_id == null
    ])
    error_message = "A queue of tasks has not visibility 60 s, long poll 20 s, retention 4 days and SSE-SQS."
  }

  assert {
    condition = alltrue([
      for it in aws_sqs_queue.dlq : it.message_retention_seconds == 14 * 24 * 3600 && it.sqs_managed_sse_enabled == true
    ])
    error_message = "A -dlq queue does not keep its messages for 14 days, with SSE-SQS."
  }

  assert {
    condition = alltrue([
      for role in run.topics.roles : jsondecode(aws_sqs_queue_redrive_policy.role[role].redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-tasks-dlq"
        maxReceiveCount     = 10
        } && jsondecode(aws_sqs_queue.dlq[role].redrive_allow_policy) == {
        redrivePermission = "byQueue"
        sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:booking-${role}-tasks"]
      }
    ])
    error_message = "A queue of tasks does not move messages to its own -dlq after 10 deliveries, or another may."
  }
}

run "everything_has_the_prefix_and_fits" {
  command = plan

  variables {
    prefix     = "a-prefix-that-is-thirty-two-cha-"
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
    secrets    = { seal_key = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/seal-key" }
  }

  assert {
    condition = alltrue([
      for name in concat(
        aws_sfn_state_machine.booking[*].name, aws_iam_role.machine[*].name, values(aws_sqs_queue.role)[*].name,
        values(aws_sqs_queue.dlq)[*].name, values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].alarm_name,
      ) : startswith(name, var.prefix) && length(name) <= 80
    ]) && length(aws_iam_role.machine[0].name) <= 64 && aws_cloudwatch_log_group.machine[0].name == "/aws/vendedlogs/states/${var.prefix}booking"
    error_message = "A name does not begin with the prefix, or is longer than AWS takes."
  }

  # Whatever mentions an ARN of ours mentions it with the prefix.
  assert {
    condition = alltrue([
      for arn in regexall("arn:aws:(?:sns|sqs|states|iam):[a-z0-9-]*:[0-9]+:(?:stateMachine:|execution:|role/)?[a-z0-9-]+", jsonencode([
        [for it in aws_sqs_queue.role : jsondecode(it.policy).Statement[*].Condition],
        values(aws_sqs_queue.dlq)[*].redrive_allow_policy,
        values(aws_iam_policy.publisher)[*].policy,
        aws_iam_policy.operator.policy,
        aws_iam_role.machine[*].assume_role_policy,
        aws_iam_role_policy.machine[*].policy,
        values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].dimensions,
        aws_cloudwatch_dashboard.booking[0].dashboard_body,
      ])) : startswith(reverse(split("/", reverse(split(":", arn))[0]))[0], var.prefix)
    ])
    error_message = "An ARN lacks the prefix."
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
    secrets    = { seal_key = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/seal-key" }
  }

  assert {
    condition = alltrue([
      for it in aws_ecs_task_definition.role : [
        for setting in jsondecode(it.container_definitions)[0].environment : setting.value if setting.name == "BOOKING_INTEGRATION"
      ] == ["step-functions"]
    ]) && length(aws_ecs_task_definition.role) == 4
    error_message = "A container is not told of the state machine."
  }

  assert {
    condition = alltrue([
      for it in aws_ecs_task_definition.role :
      jsondecode(it.container_definitions)[0].secrets == [{ name = "BOOKING_SEAL_KEY", valueFrom = var.secrets.seal_key }] &&
      !contains([for setting in jsondecode(it.container_definitions)[0].environment : setting.name], "BOOKING_SEAL_KEY")
    ])
    error_message = "A container does not get the seal key as a secret, or has it as a setting."
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : jsonencode(statement) if statement.Sid != "WriteLogs"
      ]) == toset([jsonencode({
        Sid      = "ReadParameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = [var.secrets.seal_key]
    })])
    error_message = "The execution role may do more, or less, than read exactly the seal key."
  }

  assert {
    condition = alltrue([
      for role, it in aws_appautoscaling_policy.backlog : flatten([
        for metric in it.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : [
          for stat in metric.metric_stat : [for dimension in stat.metric[0].dimensions : dimension.value] if metric.id == "visible"
        ]
      ]) == ["booking-${role}-tasks"]
    ]) && length(aws_appautoscaling_policy.backlog) == 4
    error_message = "A service does not scale on its tasks."
  }
}

run "a_seal_key_under_a_key_of_the_customer" {
  command = plan

  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
    secrets = {
      seal_key = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/seal-key-AbCdEf"
      kms_key  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : "${statement.Sid} ${join(" ", statement.Resource)}" if statement.Sid != "WriteLogs"
    ]) == toset(["ReadSecrets ${var.secrets.seal_key}", "DecryptSecrets ${var.secrets.kms_key}"])
    error_message = "The execution role may not read or decrypt exactly the seal key."
  }
}

run "tasks_and_the_machine_are_watched" {
  command = plan

  assert {
    condition = toset([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : join(" ", [it.alarm_name, it.metric_name, jsonencode(it.dimensions)]) if it.namespace != "AWS/States"
      ]) == toset(flatten([
        for role in run.topics.roles : [
          "booking-${role}-tasks-oldest-message ApproximateAgeOfOldestMessage {\"QueueName\":\"booking-${role}-tasks\"}",
          "booking-${role}-tasks-in-flight ApproximateNumberOfMessagesNotVisible {\"QueueName\":\"booking-${role}-tasks\"}",
          "booking-${role}-tasks-dlq ApproximateNumberOfMessagesVisible {\"QueueName\":\"booking-${role}-tasks-dlq\"}",
        ]
    ]))
    error_message = "The alarms of queues are not exactly those of the tasks of each role."
  }

  # Name, metric, dimensions, statistic, threshold, how many minutes out of how many: the whole list.
  assert {
    condition = toset([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : join(" ", [
        it.alarm_name, it.namespace, it.metric_name, jsonencode(it.dimensions), it.statistic,
        it.comparison_operator, it.threshold, "${it.datapoints_to_alarm}/${it.evaluation_periods}x${it.period}s",
      ]) if it.namespace == "AWS/States"
      ]) == toset([
      for name, metric in { failed = "ExecutionsFailed", timed-out = "ExecutionsTimedOut", aborted = "ExecutionsAborted" } :
      "booking-executions-${name} AWS/States ${metric} {\"StateMachineArn\":\"arn:aws:states:eu-central-1:123456789012:stateMachine:booking\"} Sum GreaterThanThreshold 0 1/5x60s"
    ])
    error_message = "A booking that fails, times out or is stopped is no alarm, or another than it should be."
  }

  # A tripwire for the arithmetic in README.md.
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.queue_or_topic) == 15
    error_message = "There are no longer 15 alarms without services: mend the costs in README.md."
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
    condition = [
      for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : join(" ", [widget.x, widget.y, widget.width, widget.height, widget.properties.title])
      ] == concat(
      flatten([
        for row, role in sort(run.topics.roles) : [
          "0 ${row * 6} 6 6 ${role}: waiting and in flight",
          "6 ${row * 6} 6 6 ${role}: age of the oldest message (s)",
          "12 ${row * 6} 6 6 ${role}: dead letters",
          "18 ${row * 6} 6 6 ${role}: heard",
        ]
      ]),
      ["0 24 12 6 machine: executions", "12 24 12 6 machine: time of a booking (ms)"],
    )
    error_message = "The dashboard has not one row of four panels a role, and one of the machine below them."
  }

  # Every metric, so that no panel shows a queue or a topic that is not there.
  assert {
    condition = toset(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : [
        for metric in widget.properties.metrics : join(" ", metric)
      ]
      ])) == toset(concat(
      flatten([for role in run.topics.roles : [
        "AWS/SQS ApproximateNumberOfMessagesVisible QueueName booking-${role}-tasks",
        "AWS/SQS ApproximateNumberOfMessagesNotVisible QueueName booking-${role}-tasks",
        "AWS/SQS ApproximateAgeOfOldestMessage QueueName booking-${role}-tasks",
        "AWS/SQS ApproximateNumberOfMessagesVisible QueueName booking-${role}-tasks-dlq",
        "AWS/SQS NumberOfMessagesDeleted QueueName booking-${role}-tasks",
      ]]),
      formatlist(
        "AWS/States %s StateMachineArn arn:aws:states:eu-central-1:123456789012:stateMachine:booking",
        ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionTime"],
      ),
    ))
    error_message = "The dashboard shows something else than the tasks and the machine."
  }
}

run "an_emulator_gets_the_machine_without_logs_and_alarms" {
  command = plan

  variables {
    endpoint_url = "http://127.0.0.1:4566"
    side_by_side = true
  }

  assert {
    condition     = length(aws_sfn_state_machine.booking) == 1 && length(aws_sqs_queue.role) == 4 && length(aws_iam_role.machine) == 1
    error_message = "An emulator gets no machine."
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.machine) + length(aws_cloudwatch_metric_alarm.queue_or_topic) == 0
    error_message = "An emulator gets a log group or alarms."
  }
}

run "nothing_is_watched_if_nobody_wants_it" {
  command = plan
  variables { monitoring = false }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.queue_or_topic) == 0 && length(aws_cloudwatch_log_group.machine) == 1
    error_message = "monitoring = false has no effect on the machine, or takes its log."
  }
}
