# The prefix stands before every name and in every ARN; account, region and partition come from
# variables, or from AWS where a variable is not given.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws-cn" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "999999999999" }
  }

  mock_data "aws_region" {
    defaults = { name = "cn-north-1" }
  }
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "prefix" {
  command = plan

  variables {
    prefix     = "staging-"
    account_id = "123456789012"
    region     = "eu-central-1"
    store      = "dynamodb"
  }

  assert {
    condition = alltrue([
      for name in concat(
        values(aws_sns_topic.topic)[*].name,
        values(aws_sqs_queue.role)[*].name,
        values(aws_sqs_queue.dlq)[*].name,
        values(aws_sqs_queue.undelivered)[*].name,
        values(aws_iam_policy.publisher)[*].name,
        aws_iam_policy.operator[*].name,
        values(aws_dynamodb_table.role)[*].name,
        values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].alarm_name,
        aws_sns_topic.alarms[*].name,
        aws_cloudwatch_dashboard.booking[*].dashboard_name,
      ) : startswith(name, "staging-") && !startswith(name, "staging-staging-")
    ])
    error_message = "A name does not begin with the prefix."
  }

  assert {
    condition     = toset(values(aws_sns_topic.topic)[*].name) == toset(formatlist("staging-%s", run.topics.topics))
    error_message = "The topics are not <prefix><topic>."
  }

  # Whatever mentions an ARN of ours mentions it with the prefix.
  assert {
    condition = alltrue([
      for arn in regexall("arn:[a-z-]+:(?:sns|sqs|dynamodb):[a-z0-9-]+:[0-9]+:(?:table/)?[a-z0-9-]+", jsonencode([
        values(aws_sqs_queue.role)[*].policy,
        values(aws_sqs_queue.undelivered)[*].policy,
        values(aws_sqs_queue.dlq)[*].redrive_allow_policy,
        values(aws_sqs_queue_redrive_policy.role)[*].redrive_policy,
        values(aws_iam_policy.publisher)[*].policy,
        aws_iam_policy.operator.policy,
        values(aws_cloudwatch_metric_alarm.queue_or_topic)[*].alarm_actions,
        values(aws_sns_topic_subscription.role)[*].topic_arn,
        values(aws_sns_topic_subscription.role)[*].endpoint,
        values(aws_sns_topic_subscription.role)[*].redrive_policy,
      ])) : startswith(trimprefix(split(":", arn)[5], "table/"), "staging-")
    ])
    error_message = "An ARN in a policy or subscription lacks the prefix."
  }

  # A data source is read only where its variable is missing: with both given, a plan asks nobody.
  assert {
    condition     = length(data.aws_caller_identity.current) == 0 && length(data.aws_region.current) == 0
    error_message = "STS is asked although account_id and region are given."
  }
}

run "account_region_and_partition_from_aws" {
  command = plan

  assert {
    condition = alltrue([
      for it in aws_sns_topic_subscription.role :
      startswith(it.topic_arn, "arn:aws-cn:sns:cn-north-1:999999999999:") &&
      startswith(it.endpoint, "arn:aws-cn:sqs:cn-north-1:999999999999:")
    ])
    error_message = "The ARNs do not have the account, region and partition that AWS says."
  }
}
