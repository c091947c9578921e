# Three queues a role. Policies stand inside the queues: each separate policy resource would
# wait another 25 seconds for SQS to settle.
#
# The provider (5.100) cannot ask for more than 256 KiB a message, though SQS allows 1 MiB. Raise it
# by hand (docs/EVENTS.md); an apply does not undo it.

resource "aws_sqs_queue" "role" {
  for_each = local.roles

  name                       = local.queue_names[each.key]
  visibility_timeout_seconds = var.visibility_timeout_s
  receive_wait_time_seconds  = var.receive_wait_s
  message_retention_seconds  = var.message_retention_s
  sqs_managed_sse_enabled    = local.sse_sqs
  kms_master_key_id          = var.kms_key_arn
  policy                     = local.delivery_policies["role"][each.key]
  redrive_policy             = var.side_by_side ? local.redrive_policies[each.key] : null

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# What the role set aside, and what SQS moved here after max_receive_count deliveries.
resource "aws_sqs_queue" "dlq" {
  for_each = local.roles

  name                      = local.dlq_names[each.key]
  message_retention_seconds = var.dead_letter_retention_s
  sqs_managed_sse_enabled   = local.sse_sqs
  kms_master_key_id         = var.kms_key_arn

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns[each.key]]
  })

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# What SNS could not deliver to the role's queue: the dead-letter queue of its subscriptions.
resource "aws_sqs_queue" "undelivered" {
  for_each = local.roles

  name                      = local.undelivered_names[each.key]
  message_retention_seconds = var.dead_letter_retention_s
  sqs_managed_sse_enabled   = local.sse_sqs
  kms_master_key_id         = var.kms_key_arn
  policy                    = local.delivery_policies["undelivered"][each.key]

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# SQS refuses a redrive policy whose dead-letter queue does not exist yet. Set afterwards, it lets
# both queues be created at once, which is shorter than one after the other.
resource "aws_sqs_queue_redrive_policy" "role" {
  for_each = var.side_by_side ? toset([]) : local.roles

  queue_url      = aws_sqs_queue.role[each.key].url
  redrive_policy = local.redrive_policies[each.key]

  depends_on = [aws_sqs_queue.dlq]
}

locals {
  # Exactly one of SSE-SQS and a customer-managed key; the provider refuses both, even if one is false.
  sse_sqs = var.kms_key_arn == null ? true : null

  redrive_policies = {
    for role, arn in local.dlq_arns : role => jsonencode({
      deadLetterTargetArn = arn
      maxReceiveCount     = var.max_receive_count
    })
  }

  # Which topics may put messages into a role's queues: those it subscribes to, no other.
  delivery_policies = {
    for kind, arns in { role = local.queue_arns, undelivered = local.undelivered_arns } : kind => {
      for role, arn in arns : role => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "DeliverSubscribedTopics"
          Effect    = "Allow"
          Principal = { Service = "sns.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = arn
          Condition = {
            ArnEquals = { "aws:SourceArn" = [for topic in local.subscribes[role] : local.topic_arns[topic]] }
          }
        }]
      })
    }
  }
}
