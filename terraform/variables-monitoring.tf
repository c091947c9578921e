variable "monitoring" {
  description = "Create the alarms, the topic they go to, and the dashboard. On an emulator they are never created."
  type        = bool
  default     = true
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "An SNS topic for the alarms. Not given: one is created, <prefix>booking-alarms, to which you subscribe whoever should hear them."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic (arn:aws:sns:…)."
  }
}

variable "oldest_message_alarm_s" {
  description = "A message that waits longer than so many seconds, for three minutes, is an alarm. One that is retried waits too, up to 15 minutes at a time."
  type        = number
  default     = 300
  nullable    = false

  validation {
    # Beyond it there would be nothing left to be told of.
    condition     = var.oldest_message_alarm_s >= 1 && var.oldest_message_alarm_s < var.message_retention_s
    error_message = "oldest_message_alarm_s (${var.oldest_message_alarm_s}) must be at least 1 and less than message_retention_s (${var.message_retention_s}): older messages are gone."
  }
}
