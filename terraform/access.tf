# One policy a role, for the role its tasks run under, and one for clients. Least privilege: no
# action or resource is here that the services do not use, and a test of the binary holds these lists
# to the calls it makes. operator.tf has the policy for people.

locals {
  # What every role does with its own queue, and with the -dlq beside it.
  queue_actions = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueUrl",
    "sqs:GetQueueAttributes",
  ]
  dlq_actions = ["sqs:SendMessage", "sqs:GetQueueUrl"]

  # What a role does with its own table. Several rows that change together are a TransactWriteItems
  # of conditional puts, which AWS allows to who may put. Nothing is ever deleted or scanned.
  table_actions = {
    # A take-over reads the rows of many seats and holders at once.
    seats = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"]
    # The ledger of the simulated gateway lies in the same table, under keys of its own.
    payment = ["dynamodb:GetItem", "dynamodb:PutItem"]
    receipt = ["dynamodb:GetItem", "dynamodb:PutItem"]
    # A list is the keys from an index, and then the rows.
    status = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"]
  }
  index_actions = ["dynamodb:Query"]

  # SNS, SQS and DynamoDB encrypt and decrypt in the caller's name. The star stands for the variants
  # of one operation and is what AWS documents for publishing.
  key_statements = var.kms_key_arn == null ? [] : [{
    Sid      = "UseKey"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource = [var.kms_key_arn]
  }]
}

resource "aws_iam_policy" "publisher" {
  for_each = local.publishes

  name        = "${var.prefix}booking-${each.key}"
  description = each.key == local.client ? "Starts bookings." : "What the booking service ${each.key} needs."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      each.key == local.client ? [] : local.queue_statements[each.key],
      length(each.value) == 0 ? [] : [{
        Sid      = "PublishOwnTopics"
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = [for topic in each.value : local.topic_arns[topic]]
      }],
      lookup(local.table_statements, each.key, []),
      local.key_statements,
    )
  })
}

locals {
  queue_statements = {
    for role in local.roles : role => [
      {
        Sid      = "ConsumeOwnQueue"
        Effect   = "Allow"
        Action   = local.queue_actions
        Resource = [local.queue_arns[role]]
      },
      {
        Sid      = "SetAside"
        Effect   = "Allow"
        Action   = local.dlq_actions
        Resource = [local.dlq_arns[role]]
      },
    ]
  }

  table_statements = {
    for role in local.stored : role => concat(
      [{
        Sid      = "KeepOwnState"
        Effect   = "Allow"
        Action   = local.table_actions[role]
        Resource = [local.table_arns[role]]
      }],
      length(local.index_arns[role]) == 0 ? [] : [{
        Sid      = "FindOwnState"
        Effect   = "Allow"
        Action   = local.index_actions
        Resource = local.index_arns[role]
      }],
    )
  }
}
