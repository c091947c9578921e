# With compute = "lambda": one Lambda function for each role, all with the same zip, and what brings the
# messages of its queue to it. Otherwise nothing of this is created.

locals {
  # The roles that run on Lambda: all of them or, with containers, none.
  functions = var.compute == "lambda" ? local.roles : toset([])

  function_arns = { for role in local.functions : role => "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.service_names[role]}" }

  function_timeout_s = coalesce(var.lambda_timeout_s, 30)

  function_window_s = floor(coalesce(var.lambda_latency_target_s, 0))
  function_max      = coalesce(var.lambda_concurrency_max, 10)

  # As AWS recommends: a message must not come back while Lambda gathers a batch with it, while that may
  # still be worked on, or while it waits because Lambda is at its limit.
  visibility_s = var.compute == "lambda" ? max(var.visibility_timeout_s, 6 * local.function_timeout_s + local.function_window_s) : var.visibility_timeout_s

  # The settings of a container that have no meaning here: Lambda receives, calls and ends a function, and
  # listens for it. Nor is the function of status open: it lets in who has signed, as Lambda says, or has
  # the token.
  container_settings = ["BOOKING_DRAIN", "BOOKING_HTTP", "BOOKING_HTTP_OPEN", "BOOKING_LONG_POLL"]
  # Lambda sets it, and refuses a function that does.
  lambda_settings = ["AWS_REGION"]

  function_settings = {
    for role in local.functions : role => merge(
      {
        for name, value in local.environment[role] : name => value
        if !contains(concat(local.container_settings, local.lambda_settings), name)
      },
      # The only folder that can be written to. It is lost with its instance.
      { BOOKING_DATA = "/tmp" },
      lookup(var.environment, role, {}),
    )
  }

  # Lambda reads no secrets for a function, and the binary takes them from a variable or a file. A file
  # would be in the zip, for whoever builds it. So Terraform reads them and sets the variables, and they are
  # in its state: lambda_secrets_in_state says so by name.
  read_secrets = toset(flatten([
    for role in local.functions : values(local.secrets[role]) if var.lambda_secrets_in_state
  ]))

  function_secrets = {
    for role in local.functions : role => {
      for name, arn in local.secrets[role] : name =>
      strcontains(arn, ":ssm:") ? data.aws_ssm_parameter.secret[arn].value : data.aws_secretsmanager_secret_version.secret[arn].secret_string
      if contains(local.read_secrets, arn)
    }
  }
}

data "aws_ssm_parameter" "secret" {
  for_each = toset([for arn in local.read_secrets : arn if strcontains(arn, ":ssm:")])

  name = each.value
}

data "aws_secretsmanager_secret_version" "secret" {
  for_each = toset([for arn in local.read_secrets : arn if !strcontains(arn, ":ssm:")])

  secret_id = each.value
}

resource "aws_lambda_function" "role" {
  #checkov:skip=CKV_AWS_50:The services make the traces (docs/TRACES.md). X-Ray would make others beside them, that lead nowhere.
  #checkov:skip=CKV_AWS_115:The event source mapping bounds how many instances work on the queue. Reserving as many would take them from the account also while nothing happens. For status they are reserved if strangers can make it run.
  #checkov:skip=CKV_AWS_116:This is for asynchronous calls, which nobody makes. What a function cannot deal with goes to the dead-letter queue of its queue.
  #checkov:skip=CKV_AWS_117:A function needs AWS, Stripe and a mail server, and nothing in a VPC. In one it would need a NAT gateway.
  #checkov:skip=CKV_AWS_272:Whoever may change the function may also change who signs. The hash of the zip is in the plan.
  for_each = local.functions

  function_name = local.service_names[each.key]
  description   = "The booking service ${each.key}."
  role          = local.function_role_arns[each.key]

  filename         = var.lambda_zip
  source_code_hash = filebase64sha256(var.lambda_zip)
  runtime          = "provided.al2023"
  architectures    = [lower(var.cpu_architecture)]
  # The script bootstrap gives it to the binary.
  handler = each.key

  # With a URL that anybody can ask, a flood would otherwise take the instances of the other functions.
  reserved_concurrent_executions = each.key == local.answering && local.url_auth == "NONE" ? local.function_max + 10 : null

  memory_size = coalesce(var.lambda_memory_mib, 256)
  timeout     = local.function_timeout_s
  kms_key_arn = var.kms_key_arn

  environment {
    variables = merge(local.function_settings[each.key], local.function_secrets[each.key])
  }

  # The binary writes lines of JSON itself. With the format JSON, Lambda would put each into another.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.role[each.key].name
  }

  # Lambda refuses a role that does not exist, and a timeout that is longer than the visibility timeout.
  # The others are what a function needs for its first message.
  depends_on = [
    aws_cloudwatch_event_target.role,
    aws_dynamodb_table.role,
    aws_iam_role.function,
    aws_iam_role_policy.function,
    aws_iam_role_policy_attachment.function,
    aws_sns_topic_subscription.role,
    aws_sqs_queue.role,
    aws_sqs_queue_redrive_policy.role,
  ]
}

resource "aws_lambda_event_source_mapping" "role" {
  for_each = local.functions

  function_name    = aws_lambda_function.role[each.key].function_name
  event_source_arn = local.queue_arns[each.key]

  batch_size                         = 10
  maximum_batching_window_in_seconds = local.function_window_s

  # The function says which messages of a batch are to come again. Without this, one would bring back all.
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = local.function_max
  }
}
