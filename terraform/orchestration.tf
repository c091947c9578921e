# With integration = "step-functions": the state machine of ../orchestration, which puts tasks on the
# queues of the roles, its role, and its log. Otherwise nothing of this is created.

locals {
  orchestrated = var.integration == "step-functions"

  machine_name      = "${var.prefix}booking"
  machine_arn       = "arn:${local.partition}:states:${local.region}:${local.account_id}:stateMachine:${local.machine_name}"
  execution_arns    = "arn:${local.partition}:states:${local.region}:${local.account_id}:execution:${local.machine_name}:*"
  machine_role      = "${var.prefix}booking-machine"
  machine_role_arn  = "${local.iam}:role/${local.machine_role}"
  machine_log_group = "/aws/vendedlogs/states/${local.machine_name}"

  # An emulator keeps no logs.
  machine_logs = local.orchestrated && !local.emulated

  # role => the roles that it tells of other bookings than that of its task: the subscribers of its
  # topics, as topics/ has them. It tells them by itself, beside the machine.
  tells = {
    for role in local.roles : role => sort(distinct(flatten([
      for topic in local.topics : [for it in topic.subscribers : it.role if try(it.role, role) != role] if topic.publisher == role
    ])))
  }

  # The roles that the machine asks: those that have something to say. The others are only told.
  asked = toset([for topic in local.topics : topic.publisher if topic.publisher != local.client])

  # Null without a machine, when nothing reads the file. The URLs are not composed from the names:
  # those of an emulator are others.
  machine_definition = local.orchestrated ? templatefile("${path.module}/../orchestration/booking.asl.json", merge(
    { partition = local.partition },
    { for role, queue in aws_sqs_queue.role : "${role}_queue" => queue.url },
  )) : null

  # Step Functions may use the role for this machine alone: no other account, and no other machine, can
  # make it.
  trust_machine = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RunMachine"
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = local.machine_arn }
      }
    }]
  })
}

resource "aws_sfn_state_machine" "booking" {
  #checkov:skip=CKV_AWS_284:The services make the traces (docs/TRACES.md). X-Ray would make others beside them, that lead nowhere.
  #checkov:skip=CKV_AWS_285:The log says which execution failed, and at which step. What went through it is in its history, which Step Functions keeps for 90 days.
  count = local.orchestrated ? 1 : 0

  name       = local.machine_name
  type       = "STANDARD"
  role_arn   = local.machine_role_arn
  definition = local.machine_definition

  dynamic "logging_configuration" {
    for_each = local.machine_logs ? ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${local.machine_log_group}:*"] : []

    content {
      level                  = "ERROR"
      include_execution_data = false
      log_destination        = logging_configuration.value
    }
  }

  # Step Functions refuses a role that does not exist, or that may not write the log.
  depends_on = [aws_iam_role.machine, aws_iam_role_policy.machine, aws_cloudwatch_log_group.machine]
}

resource "aws_cloudwatch_log_group" "machine" {
  #checkov:skip=CKV_AWS_338:Logs are for finding faults and are no records: what happened to a booking is in the tables, for good. To keep them for a year, set log_retention_days.
  count = local.machine_logs ? 1 : 0

  name              = local.machine_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "machine" {
  count = local.orchestrated ? 1 : 0

  name               = local.machine_role
  description        = "The state machine of bookings: puts tasks on the queues of the roles, and writes its log."
  assume_role_policy = local.trust_machine
}

resource "aws_iam_role_policy" "machine" {
  #checkov:skip=CKV_AWS_290:A log delivery has no resource, so AWS allows nothing but the star for these actions.
  #checkov:skip=CKV_AWS_355:A log delivery has no resource, so AWS allows nothing but the star for these actions.
  count = local.orchestrated ? 1 : 0

  name = "run-bookings"
  role = aws_iam_role.machine[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "PutTasks"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = values(local.queue_arns)
        },
        # As AWS documents it: a log delivery has no resource, so anything but the star would allow
        # nothing.
        {
          Sid    = "DeliverLog"
          Effect = "Allow"
          Action = [
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
          ]
          Resource = ["*"]
        },
      ],
      local.key_statements,
    )
  })
}

locals {
  # What a client and each role may do with the machine, and beside it.
  machine_statements = {
    for who in setunion(local.roles, [local.client]) : who => concat(
      who != local.client ? [] : [{
        Sid      = "StartBookings"
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = [local.machine_arn]
      }],
      !contains(local.asked, who) ? [] : [{
        # A token says which task is meant. These actions have no resource, so anything but the star
        # would allow nothing.
        Sid      = "AnswerTasks"
        Effect   = "Allow"
        Action   = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
        Resource = ["*"]
      }],
      length(lookup(local.tells, who, [])) == 0 ? [] : [{
        Sid      = "TellBesideMachine"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueUrl"]
        Resource = [for role in local.tells[who] : local.queue_arns[role]]
      }],
    ) if local.orchestrated
  }

  # Only the machine, and the tasks of the roles that tell this one, may put messages on a queue of
  # tasks. They are a condition and no principals: SQS refuses a principal that does not exist yet, and
  # one that was made anew would be another. Services that run elsewhere, and operators who put messages
  # back, send by their own policies.
  task_policies = {
    for role, arn in local.queue_arns : role => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "AskAndTell"
        Effect    = "Allow"
        Principal = { AWS = "${local.iam}:root" }
        Action    = "sqs:SendMessage"
        Resource  = arn
        Condition = {
          ArnEquals = {
            "aws:PrincipalArn" = concat(
              [local.machine_role_arn],
              [for teller in local.running : local.task_role_arns[teller] if contains(local.tells[teller], role)],
            )
          }
        }
      }]
    }) if local.orchestrated
  }
}
