# Topics, queues and subscriptions are exactly those of topics/.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "topology" {
  command = plan

  # A tripwire: whoever changes the choreography changes these numbers knowingly.
  assert {
    condition = (
      length(aws_sns_topic.topic) == 8 && length(run.topics.roles) == 4 &&
      length([for it in run.topics.subscriptions : it if contains(run.topics.roles, split("/", it)[0])]) == 17
    )
    error_message = "There are no longer 8 topics, and 4 roles with 17 subscriptions."
  }

  assert {
    condition     = toset(values(aws_sns_topic.topic)[*].name) == run.topics.topics
    error_message = "The SNS topics are not those of topics/."
  }

  assert {
    condition = (
      toset(values(aws_sqs_queue.role)[*].name) == toset(formatlist("booking-%s", run.topics.listeners)) &&
      toset(values(aws_sqs_queue.dlq)[*].name) == toset(formatlist("booking-%s-dlq", run.topics.listeners)) &&
      toset(values(aws_sqs_queue.undelivered)[*].name) == toset(formatlist("booking-%s-undelivered", run.topics.listeners))
    )
    error_message = "Not every role and guest has exactly its queue, -dlq and -undelivered."
  }

  assert {
    condition = toset([
      for it in aws_sns_topic_subscription.role : join(" ", [it.topic_arn, it.protocol, it.endpoint])
      ]) == toset([
      for pair in run.topics.subscriptions : join(" ", [
        "arn:aws:sns:eu-central-1:123456789012:${split("/", pair)[1]}",
        "sqs",
        "arn:aws:sqs:eu-central-1:123456789012:booking-${split("/", pair)[0]}",
      ])
    ])
    error_message = "The subscriptions are not those of topics/."
  }

  assert {
    condition     = alltrue([for it in aws_sns_topic_subscription.role : it.raw_message_delivery == false])
    error_message = "A subscription delivers raw: the SNS MessageId and TopicArn would be lost."
  }

  assert {
    condition = alltrue([
      for it in aws_sns_topic_subscription.role :
      jsondecode(it.redrive_policy) == { deadLetterTargetArn = "${it.endpoint}-undelivered" }
    ])
    error_message = "A subscription does not put what it cannot deliver into its role's -undelivered queue."
  }

  assert {
    condition = alltrue([
      for it in aws_sns_topic_subscription.role : it.filter_policy == null
    ])
    error_message = "A subscription filters; correctness must not rest on a filter."
  }
}

run "queues" {
  command = plan

  assert {
    condition = alltrue([
      for it in aws_sqs_queue.role :
      it.visibility_timeout_seconds == 60 && it.receive_wait_time_seconds == 20 && it.message_retention_seconds == 4 * 24 * 3600
    ])
    error_message = "A role's queue has not visibility 60 s, long poll 20 s and retention 4 days."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) :
      it.message_retention_seconds == 14 * 24 * 3600
    ])
    error_message = "A -dlq or -undelivered queue does not keep its messages for 14 days."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue_redrive_policy.role[role].redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-dlq"
        maxReceiveCount     = 10
      }
    ])
    error_message = "A role's queue does not move messages to its own -dlq after 10 deliveries."
  }

  assert {
    condition = alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue.dlq[role].redrive_allow_policy) == {
        redrivePermission = "byQueue"
        sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:booking-${role}"]
      }
    ])
    error_message = "A -dlq takes dead letters from another queue than its role's."
  }
}

run "side_by_side_gives_the_same_redrive_policies" {
  command = plan

  variables {
    endpoint_url = "http://127.0.0.1:4566"
    side_by_side = true
  }

  assert {
    condition = length(aws_sqs_queue_redrive_policy.role) == 0 && alltrue([
      for role in run.topics.listeners : jsondecode(aws_sqs_queue.role[role].redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:booking-${role}-dlq"
        maxReceiveCount     = 10
      }
    ])
    error_message = "Created side by side, a role's queue does not get the same redrive policy."
  }
}

run "limits_are_variables" {
  command = plan

  variables {
    max_receive_count       = 3
    visibility_timeout_s    = 90
    receive_wait_s          = 5
    message_retention_s     = 3600
    dead_letter_retention_s = 7200
  }

  assert {
    condition = alltrue([
      for it in aws_sqs_queue.role :
      it.visibility_timeout_seconds == 90 && it.receive_wait_time_seconds == 5 && it.message_retention_seconds == 3600
    ])
    error_message = "visibility_timeout_s, receive_wait_s or message_retention_s has no effect."
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) : it.message_retention_seconds == 7200
    ])
    error_message = "dead_letter_retention_s has no effect."
  }

  assert {
    condition = alltrue([
      for it in aws_sqs_queue_redrive_policy.role : jsondecode(it.redrive_policy).maxReceiveCount == 3
    ])
    error_message = "max_receive_count has no effect."
  }
}
