# The policy for people who run `booking check`, `booking dlq` (whose `drop` deletes for good) and
# `booking resend`. No service has it. Attach it to the role that operators take when something is
# wrong, and not to their everyday role: with this policy, a person reads bookings and can publish
# every event. `booking resend receipt` also sends the receipt again, with the mailer of the service.

resource "aws_iam_policy" "operator" {
  name        = "${var.prefix}booking-operator"
  description = "booking check, booking dlq and booking resend, for every role."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.operator_topic_statements,
      local.operator_bus_statements,
      local.operator_statements,
      local.operator_machine_statements,
      local.operator_table_statements,
      local.mail_statements,
      local.canary_key_statements,
      local.key_statements,
    )
  })
}

locals {
  dead_letter_arns = concat(values(local.dlq_arns), values(local.undelivered_arns))

  operator_topic_statements = local.carrier != "sns" ? [] : [
    # `resend` publishes decisions again; `check --canary` publishes a marked event on every topic.
    {
      Sid      = "CheckTopicsAndAnnounceAgain"
      Effect   = "Allow"
      Action   = ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish"]
      Resource = values(local.topic_arns)
    },
    # SNS has no resource for this action: anything but the star would allow nothing.
    {
      Sid      = "CheckSubscriptions"
      Effect   = "Allow"
      Action   = ["sns:GetSubscriptionAttributes"]
      Resource = ["*"]
    },
  ]

  # The same on an event bus. The rules are all those of the bus: check also looks for rules that are
  # none of ours, and deliver to a queue of ours.
  operator_bus_statements = [
    for it in [
      {
        Sid      = "CheckEventBus"
        Effect   = "Allow"
        Action   = ["events:DescribeEventBus"]
        Resource = [local.bus_arn]
      },
      {
        Sid      = "CheckRules"
        Effect   = "Allow"
        Action   = ["events:ListTargetsByRule"]
        Resource = ["${local.eventbridge}:rule/${local.bus_name}/*"]
      },
      # EventBridge has no resource for this action: anything but the star would allow nothing.
      {
        Sid      = "FindRules"
        Effect   = "Allow"
        Action   = ["events:ListRules"]
        Resource = ["*"]
      },
      {
        Sid       = "PutEventsAgain"
        Effect    = "Allow"
        Action    = ["events:PutEvents"]
        Resource  = [local.bus_arn]
        Condition = local.put_conditions.operator
      },
    ] : it if local.carrier == "eventbridge"
  ]

  operator_statements = [
    {
      Sid      = "CheckQueues"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
      Resource = concat(values(local.queue_arns), local.dead_letter_arns)
    },
    {
      Sid      = "TakeDeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]
      Resource = local.dead_letter_arns
    },
    {
      Sid      = "PutDeadLettersBack"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = values(local.queue_arns)
    },
  ]

  # What docs/ORCHESTRATION.md tells people to do: no command of booking knows the queues of tasks and
  # the machine. The history of an execution has neither names nor addresses.
  operator_machine_statements = !local.orchestrated ? [] : [
    {
      Sid      = "PutDeadTasksBack"
      Effect   = "Allow"
      Action   = ["sqs:StartMessageMoveTask"]
      Resource = values(local.dlq_arns)
    },
    {
      Sid      = "FindExecutions"
      Effect   = "Allow"
      Action   = ["states:ListExecutions"]
      Resource = [local.machine_arn]
    },
    {
      Sid      = "LookAtExecutionsAndGoOn"
      Effect   = "Allow"
      Action   = ["states:DescribeExecution", "states:GetExecutionHistory", "states:RedriveExecution"]
      Resource = [local.execution_arns]
    },
  ]

  # `redrive --dry-run` and `resend` read the rows of a role. No statement here allows a write.
  operator_table_statements = length(local.stored) == 0 ? [] : [
    {
      Sid      = "CheckAndReadTables"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem"]
      Resource = values(local.table_arns)
    },
    # A command that opens the table of status first checks that its indexes exist.
    {
      Sid      = "AskIndexes"
      Effect   = "Allow"
      Action   = local.index_actions
      Resource = local.index_arns[local.answering]
    },
  ]
}
