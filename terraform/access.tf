# One policy a role, to be attached to the role its tasks run under, and one for clients.
# Least privilege: no action or resource is here that the services do not use.

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
      # SNS and SQS encrypt and decrypt in the caller's name. The star stands for the
      # variants of one operation and is what AWS documents for publishing.
      var.kms_key_arn == null ? [] : [{
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource = [var.kms_key_arn]
      }],
    )
  })
}

locals {
  queue_statements = {
    for role in local.roles : role => [
      {
        Sid    = "ConsumeOwnQueue"
        Effect = "Allow"
        Action = [
          "sqs:ReceiveMessage",
          "sqs:DeleteMessage",
          "sqs:ChangeMessageVisibility",
          "sqs:GetQueueUrl",
          "sqs:GetQueueAttributes",
        ]
        Resource = [local.queue_arns[role]]
      },
      {
        Sid      = "SetAside"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueUrl"]
        Resource = [local.dlq_arns[role]]
      },
    ]
  }
}
