variable "monitoring" {
  description = "Whether to create the alarms, the topic that they go to, and the dashboard. They are never created on an emulator."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "An SNS topic for the alarms. If it is not given, the topic <prefix>booking-alarms is created; subscribe the people who should get the alarms."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic (arn:aws:sns:…)."
  }
}

variable "oldest_message_alarm_s" {
  description = "The alarm goes off if the oldest message of a queue is older than this, in seconds, for three minutes. A message that is retried also waits, up to 15 minutes at a time."
  type        = number
  default     = 300
  nullable    = false

  validation {
    # SQS deletes messages that are older, so they could never be an alarm.
    condition     = var.oldest_message_alarm_s >= 1 && var.oldest_message_alarm_s < var.message_retention_s
    error_message = "oldest_message_alarm_s (${var.oldest_message_alarm_s}) must be at least 1 and less than message_retention_s (${var.message_retention_s}), since SQS deletes older messages."
  }
}
