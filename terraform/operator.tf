# What a person needs for `booking check`, `booking dlq` (its `drop` deletes for good) and `booking resend`,
# and no service has.
# Attach it to the role people take when something is wrong, not to their everyday one: who has it
# reads bookings and can publish every event.

resource "aws_iam_policy" "operator" {
  name        = "${var.prefix}booking-operator"
  description = "booking check, booking dlq and booking resend, for every role."

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.operator_statements, local.operator_table_statements, local.canary_key_statements, local.key_statements)
  })
}

locals {
  dead_letter_arns = concat(values(local.dlq_arns), values(local.undelivered_arns))

  operator_statements = [
    # resend announces a kept decision again; check --canary sends a marked event through all topics.
    {
      Sid      = "CheckTopicsAndAnnounceAgain"
      Effect   = "Allow"
      Action   = ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish"]
      Resource = values(local.topic_arns)
    },
    # SNS knows no resource for this action: anything but the star allows nothing.
    {
      Sid      = "CheckSubscriptions"
      Effect   = "Allow"
      Action   = ["sns:GetSubscriptionAttributes"]
      Resource = ["*"]
    },
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

  # redrive --dry-run and resend read what a role decided. Nothing here writes to a table.
  operator_table_statements = length(local.stored) == 0 ? [] : [
    {
      Sid      = "CheckAndReadTables"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem"]
      Resource = values(local.table_arns)
    },
    # Whoever opens the rows of status finds out first whether its indexes are there.
    {
      Sid      = "AskIndexes"
      Effect   = "Allow"
      Action   = local.index_actions
      Resource = local.index_arns[local.answering]
    },
  ]
}
