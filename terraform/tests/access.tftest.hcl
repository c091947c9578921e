# Who may do what, exactly: the queue policies and the IAM policies. Statements are compared
# whole, so that a right too many fails as surely as one too few.

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

run "queue_policies" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for role in run.topics.roles : [
        for queue in [aws_sqs_queue.role[role], aws_sqs_queue.undelivered[role]] : [
          for policy in [jsondecode(queue.policy)] : (
            length(policy.Statement) == 1 &&
            keys(policy.Statement[0]) == ["Action", "Condition", "Effect", "Principal", "Resource", "Sid"] &&
            policy.Statement[0].Effect == "Allow" &&
            policy.Statement[0].Principal == { Service = "sns.amazonaws.com" } &&
            policy.Statement[0].Action == "sqs:SendMessage" &&
            policy.Statement[0].Resource == "arn:aws:sqs:eu-central-1:123456789012:${queue.name}" &&
            keys(policy.Statement[0].Condition) == ["ArnEquals"] &&
            keys(policy.Statement[0].Condition.ArnEquals) == ["aws:SourceArn"]
          )
        ]
      ]
    ]))
    error_message = "A queue policy allows more, or less, than SNS to send to that queue."
  }

  assert {
    condition = alltrue(flatten([
      for role in run.topics.roles : [
        for queue in [aws_sqs_queue.role[role], aws_sqs_queue.undelivered[role]] :
        toset(jsondecode(queue.policy).Statement[0].Condition.ArnEquals["aws:SourceArn"]) ==
        toset(formatlist("arn:aws:sns:eu-central-1:123456789012:%s", run.topics.subscribes[role]))
      ]
    ]))
    error_message = "A queue takes messages from topics other than those its role subscribes to."
  }
}

run "iam_policies" {
  command = plan

  assert {
    condition = toset(values(aws_iam_policy.publisher)[*].name) == toset(concat(
      formatlist("booking-%s", tolist(run.topics.roles)), ["booking-client"]
    ))
    error_message = "There is not exactly one IAM policy for each role and one for clients."
  }

  # Each policy as a set of "effect action resource"; the expected one is built from topics/ alone.
  assert {
    condition = {
      for publisher, it in aws_iam_policy.publisher : publisher => toset(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
        ]
      ]))
      } == {
      for publisher in setunion(run.topics.roles, ["client"]) : publisher => toset(concat(
        formatlist("Allow sns:Publish arn:aws:sns:eu-central-1:123456789012:%s", lookup(run.topics.publishes, publisher, [])),
        publisher == "client" ? [] : [
          "Allow sqs:ReceiveMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:DeleteMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:ChangeMessageVisibility arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}",
          "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}-dlq",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${publisher}-dlq",
        ],
      ))
    }
    error_message = "An IAM policy allows more, or less, than its role does."
  }

  # The comparison above sees Action and Resource only: nothing else may widen a statement,
  # and AWS refuses one without a resource.
  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement :
        keys(statement) == ["Action", "Effect", "Resource", "Sid"] && length(statement.Action) > 0 && length(statement.Resource) > 0
      ]
    ]))
    error_message = "An IAM statement has other elements than Sid, Effect, Action and Resource, or an empty one."
  }

  assert {
    condition     = alltrue([for it in aws_iam_policy.publisher : !strcontains(it.policy, "*")])
    error_message = "An IAM policy has a wildcard."
  }

  assert {
    condition     = alltrue([for it in aws_iam_policy.publisher : length(it.policy) <= 6144])
    error_message = "An IAM policy is longer than the 6144 characters AWS takes."
  }
}
