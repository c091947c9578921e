# compute = "lambda": a function for each role, what brings it the messages of its queue, and nothing of ECS.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  compute    = "lambda"
  store      = "dynamodb"
  flights    = "sample"
  gateway    = "simulated"
  mailer     = "folder"
  # Nobody looks into the file here.
  lambda_zip = "versions.tf"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "without_it_there_is_nothing_of_it" {
  command = plan

  variables {
    compute    = "containers"
    lambda_zip = null
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
  }

  assert {
    condition = sum([
      length(aws_lambda_function.role), length(aws_lambda_event_source_mapping.role), length(aws_lambda_function_url.status),
      length(aws_iam_role.function), length(aws_iam_role_policy.function), length(aws_iam_role_policy_attachment.function),
      length(aws_iam_policy.status_url), length(data.aws_ssm_parameter.secret), length(data.aws_secretsmanager_secret_version.secret),
    ]) == 0 && output.functions == {} && output.status_url == null && length(aws_ecs_service.role) == 4
    error_message = "Something that only functions need is created for containers."
  }

  assert {
    condition     = alltrue([for it in aws_sqs_queue.role : it.visibility_timeout_seconds == 60])
    error_message = "The queues of containers have the visibility timeout of functions."
  }
}

run "nothing_of_ecs" {
  command = plan

  assert {
    condition = sum([
      length(aws_ecs_cluster.own), length(aws_ecs_service.role), length(aws_ecs_task_definition.role),
      length(aws_iam_role.task), length(aws_iam_role.execution), length(aws_iam_role_policy.execution),
      length(aws_iam_role_policy_attachment.task), length(aws_security_group.role),
      length(aws_vpc_security_group_egress_rule.https), length(aws_vpc_security_group_egress_rule.smtp),
      length(aws_vpc_security_group_ingress_rule.status), length(aws_appautoscaling_target.role),
      length(aws_appautoscaling_policy.backlog), length(aws_cloudwatch_metric_alarm.tasks),
    ]) == 0
    error_message = "Something that only containers need is created for functions."
  }

  assert {
    condition     = output.services == {} && output.cluster_arn == null
    error_message = "The outputs tell of services on ECS that are not there."
  }
}

run "a_function_a_role" {
  command = plan

  assert {
    condition     = toset(values(aws_lambda_function.role)[*].function_name) == toset(formatlist("booking-%s", run.topics.roles))
    error_message = "There is not exactly one function booking-<role> for each role."
  }

  assert {
    condition = alltrue([
      for role, it in aws_lambda_function.role :
      it.handler == role && it.runtime == "provided.al2023" && tolist(it.architectures) == tolist(["arm64"]) &&
      it.memory_size == 256 && it.timeout == 30 &&
      it.role == "arn:aws:iam::123456789012:role/booking-${role}-function" && it.kms_key_arn == null &&
      it.filename == "versions.tf" && it.source_code_hash == filebase64sha256("versions.tf") &&
      length(it.vpc_config) == 0 && it.reserved_concurrent_executions == null
    ])
    error_message = "A function has another handler, runtime, size, role, zip or place than it should."
  }

  # The binary writes JSON itself.
  assert {
    condition = alltrue([
      for role, it in aws_lambda_function.role :
      it.logging_config[0].log_format == "Text" && it.logging_config[0].log_group == "/aws/lambda/booking-${role}"
    ])
    error_message = "A function logs to another group than its own, or Lambda wraps its lines."
  }

  assert {
    condition = { for role, it in aws_cloudwatch_log_group.role : role => "${it.name} ${it.retention_in_days}" } == {
      for role in run.topics.roles : role => "/aws/lambda/booking-${role} 30"
    }
    error_message = "The log groups are not one a function that is kept for 30 days."
  }

  assert {
    condition = output.functions["seats"] == {
      name      = "booking-seats"
      arn       = "arn:aws:lambda:eu-central-1:123456789012:function:booking-seats"
      role_arn  = "arn:aws:iam::123456789012:role/booking-seats-function"
      log_group = "/aws/lambda/booking-seats"
    } && toset(keys(output.functions)) == run.topics.roles
    error_message = "The output functions tells something else than what there is."
  }
}

run "settings" {
  command = plan

  # Whole, so that one too many fails as surely as one too few. AWS_REGION is reserved by Lambda.
  assert {
    condition = { for role, it in aws_lambda_function.role : role => it.environment[0].variables } == {
      for role in run.topics.roles : role => tomap(merge(
        {
          BOOKING_DATA       = "/tmp"
          BOOKING_LOG_FORMAT = "json"
          BOOKING_STORE      = "dynamodb"
          BOOKING_VISIBILITY = "180s"
        },
        role == "seats" || role == "receipt" ? { BOOKING_FLIGHTS = "sample" } : {},
        role == "payment" ? { BOOKING_GATEWAY = "simulated" } : {},
        role == "receipt" ? { BOOKING_MAILER = "folder" } : {},
      ))
    }
    error_message = "A function has other settings than it should."
  }
}

run "every_queue_calls_its_own_function" {
  command = plan

  assert {
    condition = {
      for role, it in aws_lambda_event_source_mapping.role : role => join(" ", [
        it.event_source_arn, it.function_name, it.batch_size, it.maximum_batching_window_in_seconds,
        join(",", it.function_response_types), it.scaling_config[0].maximum_concurrency,
      ])
      } == {
      for role in run.topics.roles : role =>
      "arn:aws:sqs:eu-central-1:123456789012:booking-${role} booking-${role} 10 0 ReportBatchItemFailures 10"
    } && alltrue([for it in aws_lambda_event_source_mapping.role : it.enabled == null && length(it.filter_criteria) == 0])
    error_message = "A queue calls another function, or in another way than it should."
  }

  # As AWS wants it: six times the timeout of the function.
  assert {
    condition = alltrue([
      for role in run.topics.roles : aws_sqs_queue.role[role].visibility_timeout_seconds == 6 * aws_lambda_function.role[role].timeout
    ])
    error_message = "A message may come back while a batch with it is still worked on."
  }
}

run "settings_follow_the_variables" {
  command = plan

  variables {
    prefix                  = "staging-"
    cpu_architecture        = "X86_64"
    lambda_memory_mib       = 512
    lambda_timeout_s        = 60
    lambda_latency_target_s = 2.9
    lambda_concurrency_max  = 50
    log_retention_days      = 7
    kms_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    watch_queues            = true
    environment             = { status = { BOOKING_STUCK_AFTER = "5m" } }
  }

  assert {
    condition = alltrue([
      for role, it in aws_lambda_function.role :
      it.function_name == "staging-booking-${role}" && tolist(it.architectures) == tolist(["x86_64"]) && it.memory_size == 512 &&
      it.timeout == 60 && it.kms_key_arn == var.kms_key_arn && it.role == "arn:aws:iam::123456789012:role/staging-booking-${role}-function" &&
      it.environment[0].variables["BOOKING_PREFIX"] == "staging-" && it.environment[0].variables["BOOKING_VISIBILITY"] == "362s"
    ])
    error_message = "prefix, cpu_architecture, lambda_memory_mib, lambda_timeout_s or kms_key_arn has no effect."
  }

  assert {
    condition = alltrue([
      for it in aws_lambda_event_source_mapping.role :
      it.maximum_batching_window_in_seconds == 2 && it.scaling_config[0].maximum_concurrency == 50 && startswith(it.function_name, "staging-")
    ])
    error_message = "lambda_latency_target_s or lambda_concurrency_max has no effect, or a fraction of a second is rounded up."
  }

  assert {
    condition = alltrue([for it in aws_sqs_queue.role : it.visibility_timeout_seconds == 362]) && alltrue([
      for role, it in aws_cloudwatch_log_group.role :
      it.name == "/aws/lambda/staging-booking-${role}" && it.retention_in_days == 7 && it.kms_key_id == var.kms_key_arn
    ])
    error_message = "The visibility timeout, the prefix of a log group, its retention or its key does not follow."
  }

  assert {
    condition = (
      aws_lambda_function.role["status"].environment[0].variables["BOOKING_STUCK_AFTER"] == "5m" &&
      aws_lambda_function.role["status"].environment[0].variables["BOOKING_WATCH_QUEUES"] == "true" &&
      !contains(keys(aws_lambda_function.role["seats"].environment[0].variables), "BOOKING_STUCK_AFTER")
    )
    error_message = "environment or watch_queues does not reach exactly its function."
  }
}

run "a_longer_visibility_timeout_stays" {
  command = plan
  variables { visibility_timeout_s = 200 }

  assert {
    condition = alltrue([for it in aws_sqs_queue.role : it.visibility_timeout_seconds == 200]) && alltrue([
      for it in aws_lambda_function.role : it.environment[0].variables["BOOKING_VISIBILITY"] == "200s"
    ])
    error_message = "A visibility timeout that is long enough is changed."
  }
}

run "on_an_event_bus" {
  command = plan
  variables { events = "eventbridge" }

  assert {
    condition = length(aws_cloudwatch_event_bus.booking) == 1 && alltrue([
      for it in aws_lambda_function.role : it.environment[0].variables["BOOKING_EVENTS"] == "eventbridge"
    ])
    error_message = "Functions are not told of the event bus."
  }
}

run "the_longest_prefix_fits_every_name" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-two-cha-" }

  assert {
    condition = alltrue([
      for name in concat(values(aws_iam_role.function)[*].name, values(aws_lambda_function.role)[*].function_name) : length(name) <= 64
    ])
    error_message = "The longest prefix leaves no room for the names of roles and functions (AWS allows 64)."
  }
}

run "secrets_that_the_state_may_have" {
  command = plan

  variables {
    lambda_secrets_in_state = true
    lambda_url_auth         = "NONE"
    gateway                 = "stripe"
    mailer                  = "smtp"
    mail_from               = "receipts@example.com"
    smtp                    = { server = "smtp.example.com:587", user = "booking" }
    canary_key_arn          = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key"
    secrets = {
      stripe_key    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf"
      smtp_password = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password"
      status_token  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/status-token-AbCdEf"
    }
  }

  override_data {
    target = data.aws_ssm_parameter.secret["arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key"]
    values = { value = "canaries" }
  }

  override_data {
    target = data.aws_ssm_parameter.secret["arn:aws:ssm:eu-central-1:123456789012:parameter/booking/smtp-password"]
    values = { value = "password" }
  }

  override_data {
    target = data.aws_secretsmanager_secret_version.secret["arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/stripe-key-AbCdEf"]
    values = { secret_string = "stripe" }
  }

  override_data {
    target = data.aws_secretsmanager_secret_version.secret["arn:aws:secretsmanager:eu-central-1:123456789012:secret:booking/status-token-AbCdEf"]
    values = { secret_string = "token" }
  }

  # Each function has its own secrets and no others.
  assert {
    condition = {
      for role, it in aws_lambda_function.role : role => join(" ", sort([
        for name, value in nonsensitive(it.environment[0].variables) : "${name}=${value}" if can(regex("(_KEY|_PASSWORD|_TOKEN)$", name))
      ]))
      } == {
      payment = "BOOKING_CANARY_KEY=canaries BOOKING_STRIPE_KEY=stripe"
      receipt = "BOOKING_CANARY_KEY=canaries BOOKING_SMTP_PASSWORD=password"
      seats   = "BOOKING_CANARY_KEY=canaries"
      status  = "BOOKING_CANARY_KEY=canaries BOOKING_STATUS_TOKEN=token"
    }
    error_message = "A function does not get exactly its own secrets."
  }

  # With a token, the function itself asks who it is.
  assert {
    condition = (
      aws_lambda_function_url.status[0].authorization_type == "NONE" && length(aws_iam_policy.status_url) == 0 &&
      { for role, it in aws_lambda_function.role : role => coalesce(it.reserved_concurrent_executions, 0) } == {
        seats = 0, payment = 0, receipt = 0, status = 20
      }
    )
    error_message = "The URL of a status that has a token wants signatures as well, or a flood of requests takes the instances of others."
  }

  assert {
    condition     = issensitive(aws_lambda_function.role["payment"].environment[0].variables["BOOKING_STRIPE_KEY"])
    error_message = "A plan would show a secret."
  }
}

run "alarms" {
  command = plan
  variables { lambda_timeout_s = 50 }

  # Those of the queues and topics stay.
  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.queue_or_topic)) == toset(concat(
      flatten([for listener in run.topics.listeners : formatlist("booking-${listener}-%s", ["oldest-message", "in-flight", "dlq", "undelivered"])]),
      formatlist("%s-failed-notifications", run.topics.topics),
      flatten([for role in run.topics.roles : formatlist("booking-${role}-%s", ["errors", "throttles", "duration"])]),
    ))
    error_message = "The alarms are not exactly those of the queues, the topics and the functions."
  }

  assert {
    condition = toset([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : join(" ", [
        it.alarm_name, it.metric_name, jsonencode(it.dimensions), it.statistic,
        it.comparison_operator, it.threshold, "${it.datapoints_to_alarm}/${it.evaluation_periods}x${it.period}s",
      ]) if it.namespace == "AWS/Lambda"
      ]) == toset(flatten([
        for role in run.topics.roles : [
          "booking-${role}-errors Errors {\"FunctionName\":\"booking-${role}\"} Sum GreaterThanThreshold 0 1/5x60s",
          "booking-${role}-throttles Throttles {\"FunctionName\":\"booking-${role}\"} Sum GreaterThanThreshold 0 1/5x60s",
          "booking-${role}-duration Duration {\"FunctionName\":\"booking-${role}\"} Maximum GreaterThanThreshold 40000 1/5x60s",
        ]
    ]))
    error_message = "A function is not watched for errors, refused calls, and calls that take almost as long as they may."
  }

  # Nobody is sent to tasks that are not there.
  assert {
    condition = alltrue([
      for it in aws_cloudwatch_metric_alarm.queue_or_topic : !strcontains(it.alarm_description, "tasks")
      if anytrue([for role in run.topics.roles : startswith(it.alarm_name, "booking-${role}-")])
    ])
    error_message = "An alarm of a function speaks of tasks."
  }

  assert {
    condition = {
      for role, it in aws_cloudwatch_log_metric_filter.breaker : role => "${it.log_group_name} ${it.metric_transformation[0].name}"
      } == {
      for role in run.topics.roles : role => "/aws/lambda/booking-${role} booking-${role}-breaker-open"
    }
    error_message = "Not every function's log is counted for an open breaker."
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.breaker)) == run.topics.roles
    error_message = "An open breaker of a function is no alarm."
  }

  # A tripwire for the arithmetic in README.md.
  assert {
    condition     = 3 * length(run.topics.roles) + length(aws_cloudwatch_metric_alarm.breaker) == 16
    error_message = "There are no longer 16 alarms of functions: mend the costs in README.md."
  }
}

run "nothing_is_watched_if_nobody_wants_it" {
  command = plan
  variables { monitoring = false }

  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.queue_or_topic) + length(aws_cloudwatch_metric_alarm.breaker) +
      length(aws_cloudwatch_log_metric_filter.breaker) + length(aws_cloudwatch_dashboard.booking) == 0
    )
    error_message = "monitoring = false has no effect on functions."
  }
}

run "a_row_has_function_and_table_too" {
  command = plan

  assert {
    condition = {
      for role in run.topics.roles : role => [
        for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets : widget.properties.title if startswith(widget.properties.title, "${role}:")
      ]
      } == {
      for role in run.topics.roles : role => [
        "${role}: waiting and in flight", "${role}: age of the oldest message (s)", "${role}: dead letters and undelivered",
        "${role}: heard and said", "${role}: function", "${role}: capacity units of the table",
      ]
    }
    error_message = "A row has other panels than it should."
  }

  assert {
    condition = {
      for widget in jsondecode(aws_cloudwatch_dashboard.booking[0].dashboard_body).widgets :
      widget.properties.title => jsonencode(widget.properties.metrics) if endswith(widget.properties.title, ": function")
      } == {
      for role in run.topics.roles : "${role}: function" => jsonencode([
        ["AWS/Lambda", "Invocations", "FunctionName", "booking-${role}"],
        ["AWS/Lambda", "Errors", "FunctionName", "booking-${role}"],
        ["AWS/Lambda", "Throttles", "FunctionName", "booking-${role}"],
        ["AWS/Lambda", "Duration", "FunctionName", "booking-${role}", { stat = "Maximum", yAxis = "right" }],
      ])
    }
    error_message = "A panel shows something else than its function."
  }

  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.booking[0].dashboard_body, "ECS")
    error_message = "The dashboard shows tasks that are not there."
  }
}
