# Three queues for each role and each guest, the same with SNS and with EventBridge. With integration =
# "step-functions" there are two for the tasks of each role, since nothing delivers events. Policies are
# attributes of the queues, since each separate policy resource would wait another 25 seconds until SQS
# has settled. With fifo, all of them are FIFO: SNS puts what a FIFO topic says on FIFO queues, and a FIFO
# queue has a FIFO queue for its dead letters.
#
# The provider (5.100) cannot set more than 256 KiB for a message, although SQS allows 1 MiB. Raise
# the limit by hand (docs/EVENTS.md); an apply does not undo that.

resource "aws_sqs_queue" "role" {
  for_each = local.listeners

  name                       = local.queue_names[each.key]
  visibility_timeout_seconds = contains(local.roles, each.key) ? local.visibility_s : var.visibility_timeout_s
  receive_wait_time_seconds  = var.receive_wait_s
  message_retention_seconds  = var.message_retention_s
  sqs_managed_sse_enabled    = local.sse_sqs
  kms_master_key_id          = var.kms_key_arn
  policy                     = local.orchestrated ? local.task_policies[each.key] : local.delivery_policies["role"][each.key]
  redrive_policy             = var.side_by_side ? local.redrive_policies[each.key] : null

  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = local.deduplication_scope
  fifo_throughput_limit       = local.fifo_throughput_limit

  lifecycle {
    ignore_changes = [max_message_size]

    # The same as the binary asks of the files.
    precondition {
      condition     = !contains(local.guests, each.key) || can(regex("^[a-z][a-z0-9]{1,23}$", each.key))
      error_message = "A guest in topics/ is called by 2 to 24 of a-z and 0-9, of which the first is a letter; ${each.key} is not."
    }

    precondition {
      condition     = !contains(local.guests, each.key) || !contains(concat(tolist(local.roles), [local.client, "operator"]), each.key)
      error_message = "A guest in topics/ must not be called as a role, or client, or operator; ${each.key} is."
    }
  }
}

# Messages that the role set aside, and messages that SQS moved here after max_receive_count
# receives.
resource "aws_sqs_queue" "dlq" {
  for_each = local.listeners

  name                      = local.dlq_names[each.key]
  message_retention_seconds = var.dead_letter_retention_s
  sqs_managed_sse_enabled   = local.sse_sqs
  kms_master_key_id         = var.kms_key_arn

  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = local.deduplication_scope
  fifo_throughput_limit       = local.fifo_throughput_limit

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns[each.key]]
  })

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# Messages that SNS or EventBridge could not deliver to the role's queue: the dead-letter queue of its
# subscriptions or rules.
resource "aws_sqs_queue" "undelivered" {
  for_each = local.undelivered_names

  name                      = each.value
  message_retention_seconds = var.dead_letter_retention_s
  sqs_managed_sse_enabled   = local.sse_sqs
  kms_master_key_id         = var.kms_key_arn
  policy                    = local.delivery_policies["undelivered"][each.key]

  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = local.deduplication_scope
  fifo_throughput_limit       = local.fifo_throughput_limit

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# SQS refuses a redrive policy whose dead-letter queue does not exist yet. Setting it afterwards
# lets both queues be created at the same time, which is faster.
resource "aws_sqs_queue_redrive_policy" "role" {
  for_each = var.side_by_side ? toset([]) : local.listeners

  queue_url      = aws_sqs_queue.role[each.key].url
  redrive_policy = local.redrive_policies[each.key]

  depends_on = [aws_sqs_queue.dlq]
}

locals {
  # Exactly one of SSE-SQS and a customer-managed key. The provider refuses both, even if one is
  # false.
  sse_sqs = var.kms_key_arn == null ? true : null

  # High throughput, as for the topics. Also for dead letters: when a queue or a service fails, they come
  # as fast as the events did. SQS refuses both settings for a standard queue.
  deduplication_scope   = var.fifo ? "messageGroup" : null
  fifo_throughput_limit = var.fifo ? "perMessageGroupId" : null

  redrive_policies = {
    for role, arn in local.dlq_arns : role => jsonencode({
      deadLetterTargetArn = arn
      maxReceiveCount     = var.max_receive_count
    })
  }

  # "<listener>/<topic>" => what delivers those events to the listener: the topic, or a rule of the event
  # bus.
  senders = merge(
    { for pair, it in local.subscriptions : pair => local.topic_arns[it.topic] if local.carrier == "sns" },
    local.rule_arns,
  )

  # Only the topics that a role subscribes to, or its rules, may put messages on its queues.
  delivery_policies = {
    for kind, arns in { role = local.queue_arns, undelivered = local.undelivered_arns } : kind => {
      for role, arn in arns : role => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "DeliverSubscribedTopics"
          Effect    = "Allow"
          Principal = { Service = local.carrier == "eventbridge" ? "events.amazonaws.com" : "sns.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = arn
          Condition = {
            ArnEquals = { "aws:SourceArn" = [for pair, sender in local.senders : sender if local.subscriptions[pair].listener == role] }
          }
        }]
      })
    }
  }
}
