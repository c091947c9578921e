variable "prefix" {
  description = "The prefix of every name, so that several deployments can share an account: staging- makes staging-seat-booked. The services need the same value."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]*$", var.prefix))
    error_message = "prefix may have only lower-case letters, digits and hyphens, for example staging-."
  }

  validation {
    # Refused at once, and not only when services are added later.
    condition     = !startswith(var.prefix, "sg-")
    error_message = "prefix begins with sg-, which no name of a security group may; choose another, for example staging-."
  }

  validation {
    # SQS allows 80 characters, and our longest name must fit behind the prefix.
    condition     = length(var.prefix) <= 32
    error_message = "prefix is ${length(var.prefix)} characters long; at most 32 leave room for the longest queue name."
  }

  validation {
    # Of the 80 characters of SQS, .fifo takes five, and a guest may have a long name.
    condition     = !var.fifo || length(var.prefix) + local.longest_queue <= 80
    error_message = "prefix is ${length(var.prefix)} characters long; with fifo = true, at most ${80 - local.longest_queue} leave room for the longest queue name."
  }

  validation {
    # EventBridge allows 64 characters for the name of a rule.
    condition     = var.events != "eventbridge" || length(var.prefix) + local.longest_rule <= 64
    error_message = "prefix is ${length(var.prefix)} characters long; with events = \"eventbridge\", at most ${64 - local.longest_rule} leave room for the longest name of a rule."
  }
}

variable "account_id" {
  description = "The AWS account, 12 digits. If it is given, applying to any other account is refused. If it is not given, STS is asked for it."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "The AWS region, for example eu-central-1. If it is not given, that of the provider is used (AWS_REGION or the profile)."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of a region, for example eu-central-1."
  }
}

variable "integration" {
  description = <<-EOT
    How the services hear of each other, as in booking seats --integration. choreography: each event is
    published on an SNS topic, and each service hears what it subscribes to. step-functions: the state
    machine of ../orchestration gives each service its tasks, on a queue for each role; no topic is made.
    Another value replaces all queues, with the messages on them: see README.md first.
  EOT
  type        = string
  default     = "choreography"
  nullable    = false

  validation {
    condition     = contains(["choreography", "step-functions"], var.integration)
    error_message = "integration must be choreography or step-functions; it is ${var.integration}."
  }

  validation {
    condition     = var.integration != "step-functions" || length(local.guests) == 0
    error_message = "integration is step-functions, but topics/ has guests (${join(", ", local.guests)}): a guest hears topics, of which there are none then."
  }
}

variable "events" {
  description = <<-EOT
    What carries the events, as in booking seats --events. sns: each event is published on its SNS topic.
    eventbridge: each event is put on one event bus, and one rule for each subscription puts it on the
    queue of its listener; no topic is made. The queues are the same. Before you change it, see README.md:
    a service takes messages of one of the two only.
  EOT
  type        = string
  default     = "sns"
  nullable    = false

  validation {
    condition     = contains(["sns", "eventbridge"], var.events)
    error_message = "events must be sns or eventbridge; it is ${var.events}."
  }

  validation {
    condition     = var.events != "eventbridge" || var.integration != "step-functions"
    error_message = "events is eventbridge, but integration is step-functions: with a state machine there are no events to carry. Leave out one of them."
  }
}

variable "event_archive_days" {
  description = <<-EOT
    For how many days an archive keeps all events of the event bus, so that they can be replayed. It
    keeps what passengers said, too: name, address and token of each request. If it is not given, there
    is no archive.
  EOT
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.event_archive_days, 1) >= 1 && floor(coalesce(var.event_archive_days, 1)) == coalesce(var.event_archive_days, 1)
    error_message = "event_archive_days must be a whole number of days, at least 1."
  }

  validation {
    condition     = var.event_archive_days == null || var.events == "eventbridge"
    error_message = "event_archive_days is given, but events is not eventbridge: without an event bus there is no archive."
  }

  validation {
    # The provider (5.100) cannot give an archive a key.
    condition     = var.event_archive_days == null || var.kms_key_arn == null
    error_message = "event_archive_days is given, and so is kms_key_arn: the archive would keep names and addresses under a key of AWS and not under yours."
  }
}

variable "fifo" {
  description = <<-EOT
    Whether topics and queues are FIFO, as in booking seats --fifo: the events of one booking reach each
    service one after the other. The name of each topic and each queue then ends in .fifo. Another value
    replaces all of them, with the messages on them: see README.md first.
  EOT
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.fifo || var.events != "eventbridge"
    error_message = "fifo is true, but events is eventbridge: an event bus keeps no order. Leave out one of them."
  }

  validation {
    condition     = !var.fifo || var.integration != "step-functions"
    error_message = "fifo is true, but integration is step-functions: with a state machine there are no events to keep in order. Leave out one of them."
  }
}

variable "tags" {
  description = "Tags for every resource, in addition to application and managed-by."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "kms_key_arn" {
  description = <<-EOT
    The ARN of a customer-managed KMS key for all queues, topics, tables and log groups, and for the
    event bus. If it is not given, queues are encrypted with keys that SQS manages (SSE-SQS), tables,
    logs and the event bus with keys that DynamoDB, CloudWatch and EventBridge own, and topics pass
    messages on without storing them encrypted. What goes through the state machine is encrypted with a
    key that Step Functions owns, with this one or without: names and addresses in it are sealed
    (secrets.seal_key).
    The key policy must allow the service sns.amazonaws.com, or events.amazonaws.com with an event bus,
    to use kms:Decrypt and kms:GenerateDataKey*, preferably with a condition. Otherwise nothing can be
    delivered to any of the queues. alias/aws/sqs and alias/aws/sns cannot be used, since their policies
    cannot be changed. README.md has the whole key policy, including the statements for alarms, logs
    and tables.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:…:key/…), not an alias or a bare id: IAM policies need the key itself."
  }
}

variable "store" {
  description = "Where the services keep their rows. sqlite: in a file for each role, for one host; nothing is created here. dynamodb: in a table for each role, for any number of replicas."
  type        = string
  default     = "sqlite"
  nullable    = false

  validation {
    condition     = contains(["sqlite", "dynamodb"], var.store)
    error_message = "store must be sqlite or dynamodb; it is ${var.store}."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the tables. Before a destroy, set this to false and apply."
  type        = bool
  default     = true
  nullable    = false
}

variable "max_receive_count" {
  description = "The number of receives after which SQS moves a message to the dead-letter queue."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "max_receive_count must be a whole number from 1 to 1000; it is ${var.max_receive_count}."
  }
}

variable "visibility_timeout_s" {
  description = "The visibility timeout in seconds: how long a received message stays hidden. It must be longer than BOOKING_EFFECT_TIMEOUT (10 s) plus 2 s. The services extend it while they work."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.visibility_timeout_s >= 1 && var.visibility_timeout_s <= 43200
    error_message = "visibility_timeout_s must be from 1 to 43200 (12 hours); it is ${var.visibility_timeout_s}."
  }

  validation {
    # The services refuse to start with other values: a call to the outside may take 10 s, with 2 s
    # to spare, and a lease is not extended beyond 10 minutes.
    condition     = !local.serving || (var.visibility_timeout_s > 12 && var.visibility_timeout_s < 600)
    error_message = "visibility_timeout_s must be between 12 and 600 for the services to start; it is ${var.visibility_timeout_s}."
  }
}

variable "receive_wait_s" {
  description = "How many seconds a receive waits for a message (long polling)."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.receive_wait_s >= 1 && var.receive_wait_s <= 20
    error_message = "receive_wait_s must be from 1 to 20; it is ${var.receive_wait_s}. 0 is short polling, which misses messages and costs more."
  }
}

variable "message_retention_s" {
  description = "How many seconds a queue keeps a message that is not deleted. The default of 4 days is longer than a long weekend."
  type        = number
  default     = 345600
  nullable    = false

  validation {
    condition     = var.message_retention_s >= 60 && var.message_retention_s <= 1209600
    error_message = "message_retention_s must be from 60 to 1209600 (14 days); it is ${var.message_retention_s}."
  }
}

variable "dead_letter_retention_s" {
  description = "How many seconds the -dlq and -undelivered queues keep a message: at least message_retention_s."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.dead_letter_retention_s >= 60 && var.dead_letter_retention_s <= 1209600
    error_message = "dead_letter_retention_s must be from 60 to 1209600 (14 days); it is ${var.dead_letter_retention_s}."
  }

  validation {
    # SQS counts from the first send of a message: with less, it could expire before it is a dead
    # letter.
    condition     = var.dead_letter_retention_s >= var.message_retention_s
    error_message = "dead_letter_retention_s (${var.dead_letter_retention_s}) must be at least message_retention_s (${var.message_retention_s}), or dead letters expire unseen."
  }
}

variable "endpoint_url" {
  description = "The endpoint of an emulator such as LocalStack, for example http://127.0.0.1:4566. If it is not given, AWS is used."
  type        = string
  default     = null

  validation {
    condition     = var.endpoint_url == null || can(regex("^https?://[^/]+$", var.endpoint_url))
    error_message = "endpoint_url must be http:// or https:// with a host and no path, for example http://127.0.0.1:4566."
  }
}

variable "side_by_side" {
  description = "Whether to create queues and their dead-letter queues at the same time, which halves the time of an apply. For an emulator only: SQS refuses a redrive policy that names a queue that does not exist yet."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.side_by_side || var.endpoint_url != null
    error_message = "side_by_side works on an emulator only, but endpoint_url is not set: SQS refuses a redrive policy before the dead-letter queue exists."
  }
}
