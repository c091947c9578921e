# One IAM policy for each service, also for each guest, and one for clients. Least privilege: a service may do only what
# it does, and a test compares these lists with the calls that the binary makes. operator.tf has the
# policy for people.

locals {
  # The actions of every service on its own queue, and on the -dlq queue beside it.
  queue_actions = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueUrl",
    "sqs:GetQueueAttributes",
  ]
  dlq_actions = ["sqs:SendMessage", "sqs:GetQueueUrl"]

  # The actions of each service on its own table. Rows that change together are written with one
  # TransactWriteItems of conditional puts, for which AWS asks PutItem. No service deletes or scans.
  table_actions = {
    # Taking over an expired hold reads the rows of many seats and bookings at once.
    seats = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"]
    # The ledger of the simulated gateway is in the same table, with keys of its own.
    payment = ["dynamodb:GetItem", "dynamodb:PutItem"]
    receipt = ["dynamodb:GetItem", "dynamodb:PutItem"]
    # A list takes the keys from an index, and then reads the rows.
    status = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem"]
  }
  index_actions = ["dynamodb:Query"]

  # The right to send receipts in the name of exactly this identity. SES asks for this action when
  # SendEmail of its second interface gets a whole message.
  mail_statements = [
    for identity in [var.ses_identity_arn] : {
      Sid      = "SendReceipts"
      Effect   = "Allow"
      Action   = ["ses:SendRawEmail"]
      Resource = [identity]
    } if var.mailer == "ses"
  ]

  # SNS, SQS and DynamoDB use the key in the name of their caller. The star stands for the variants
  # of one operation, as AWS documents it for publishing.
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
      lookup(local.machine_statements, each.key, []),
      lookup(local.publish_statements, each.key, []),
      lookup(local.bus_statements, each.key, []),
      lookup(local.table_statements, each.key, []),
      [for it in local.watch_statements : it if each.key == local.answering],
      [for it in local.mail_statements : it if each.key == "receipt"],
      # Of what a client asks, only SNS uses the key in its name.
      each.key == local.client && local.carrier != "sns" ? [] : local.key_statements,
    )
  })
}

locals {
  # On the topics. event-bus.tf has what comes instead.
  publish_statements = {
    for publisher, topics in local.publishes : publisher => [{
      Sid      = "PublishOwnTopics"
      Effect   = "Allow"
      Action   = ["sns:Publish"]
      Resource = [for topic in topics : local.topic_arns[topic]]
    }] if local.carrier == "sns" && length(topics) > 0
  }

  queue_statements = {
    for role in local.listeners : role => [
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

  # With var.watch_queues, status looks at how many messages are on the queues of all roles, and not of
  # guests. What it may do on its own queue and on the -dlq queue beside it is not repeated here.
  watch_statements = !var.watch_queues ? [] : [
    {
      Sid    = "WatchQueues"
      Effect = "Allow"
      Action = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
      Resource = concat(
        [for role in local.roles : local.queue_arns[role] if role != local.answering],
        [for role in local.roles : local.dlq_arns[role] if role != local.answering],
        [for role, arn in local.undelivered_arns : arn if contains(local.roles, role)],
      )
    },
    {
      Sid      = "WatchOwnDeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes"]
      Resource = [local.dlq_arns[local.answering]]
    },
  ]

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
