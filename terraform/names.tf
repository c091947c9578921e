# The names of all resources, and ARNs that are composed from the names. ARNs are not referenced, so
# that no resource waits for another one, and a plan shows every policy in full.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {
  count = var.account_id == null ? 1 : 0
}

data "aws_region" "current" {
  count = var.region == null ? 1 : 0
}

locals {
  partition  = data.aws_partition.current.partition
  account_id = coalesce(var.account_id, one(data.aws_caller_identity.current[*].account_id))
  region     = coalesce(var.region, one(data.aws_region.current[*].name))

  # How the name of each FIFO topic and queue has to end. Nothing else is called by it.
  fifo_end = var.fifo ? ".fifo" : ""

  # listener => the beginning of the names of its queues, without the prefix, which must leave room for
  # the longest one.
  queue_stems   = { for role in local.listeners : role => "booking-${role}${local.orchestrated ? "-tasks" : ""}" }
  longest_queue = max(0, [for stem in values(local.queue_stems) : length("${stem}-undelivered${local.fifo_end}")]...)

  topic_names       = { for topic in keys(local.topics) : topic => "${var.prefix}${topic}${local.fifo_end}" if local.carrier == "sns" }
  queue_names       = { for role, stem in local.queue_stems : role => "${var.prefix}${stem}${local.fifo_end}" }
  dlq_names         = { for role, stem in local.queue_stems : role => "${var.prefix}${stem}-dlq${local.fifo_end}" }
  undelivered_names = { for role, stem in local.queue_stems : role => "${var.prefix}${stem}-undelivered${local.fifo_end}" if !local.orchestrated }
  table_names       = { for role in local.stored : role => "${var.prefix}booking-${role}" }

  sns      = "arn:${local.partition}:sns:${local.region}:${local.account_id}"
  sqs      = "arn:${local.partition}:sqs:${local.region}:${local.account_id}"
  dynamodb = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}"

  topic_arns       = { for topic, name in local.topic_names : topic => "${local.sns}:${name}" }
  queue_arns       = { for role, name in local.queue_names : role => "${local.sqs}:${name}" }
  dlq_arns         = { for role, name in local.dlq_names : role => "${local.sqs}:${name}" }
  undelivered_arns = { for role, name in local.undelivered_names : role => "${local.sqs}:${name}" }

  table_arns = { for role, name in local.table_names : role => "${local.dynamodb}:table/${name}" }
  index_arns = {
    for role, arn in local.table_arns : role => [for index in keys(local.role_indexes[role]) : "${arn}/index/${index}"]
  }
}
