# Who may do what, exactly: the queue policies, the IAM policies, and who may act under them.
# Statements are compared whole, so that a right too many fails as surely as one too few.

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
      for role in run.topics.listeners : [
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
      for role in run.topics.listeners : [
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
      formatlist("booking-%s", tolist(run.topics.listeners)), ["booking-client"]
    ))
    error_message = "There is not exactly one IAM policy for each role and each guest and one for clients."
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
      for publisher in setunion(run.topics.listeners, ["client"]) : publisher => toset(concat(
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

run "iam_policies_with_tables" {
  command = plan
  variables { store = "dynamodb" }

  # What tables add, and nothing else: everything but DynamoDB is compared above.
  assert {
    condition = toset(flatten([
      for publisher, it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${publisher}: ${statement.Effect} ${pair[0]} ${trimprefix(pair[1], "arn:aws:dynamodb:eu-central-1:123456789012:")}"
        ] if strcontains(jsonencode(statement), "dynamodb")
      ]
      ])) == toset([
      "seats: Allow dynamodb:GetItem table/booking-seats",
      "seats: Allow dynamodb:BatchGetItem table/booking-seats",
      "seats: Allow dynamodb:PutItem table/booking-seats",
      "payment: Allow dynamodb:GetItem table/booking-payment",
      "payment: Allow dynamodb:PutItem table/booking-payment",
      "receipt: Allow dynamodb:GetItem table/booking-receipt",
      "receipt: Allow dynamodb:PutItem table/booking-receipt",
      "status: Allow dynamodb:GetItem table/booking-status",
      "status: Allow dynamodb:BatchGetItem table/booking-status",
      "status: Allow dynamodb:PutItem table/booking-status",
      "status: Allow dynamodb:Query table/booking-status/index/newest",
      "status: Allow dynamodb:Query table/booking-status/index/stalest",
      "status: Allow dynamodb:Query table/booking-status/index/of_flight",
      "status: Allow dynamodb:Query table/booking-status/index/of_day",
    ])
    error_message = "A policy allows more, or less, on tables than its role does."
  }

  # Queue, -dlq, own table, indexes, topics: each a statement, as far as the role has it.
  assert {
    condition = {
      for publisher, it in aws_iam_policy.publisher : publisher => join(" ", [for statement in jsondecode(it.policy).Statement : statement.Sid])
      } == {
      for publisher in setunion(run.topics.listeners, ["client"]) : publisher => join(" ", concat(
        publisher == "client" ? [] : ["ConsumeOwnQueue", "SetAside"],
        length(lookup(run.topics.publishes, publisher, [])) == 0 ? [] : ["PublishOwnTopics"],
        contains(run.topics.roles, publisher) ? ["KeepOwnState"] : [],
        publisher == "status" ? ["FindOwnState"] : [],
      ))
    }
    error_message = "With tables a policy has other statements on queues and topics than without."
  }

  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement : keys(statement) == ["Action", "Effect", "Resource", "Sid"]
      ]
    ]))
    error_message = "An IAM statement has other elements than Sid, Effect, Action and Resource."
  }

  # No service makes, destroys or goes through anything.
  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement : [
          for action in statement.Action :
          can(regex(":(Get|BatchGet|Put|Query|Receive|Send|ChangeMessageVisibility$|DeleteMessage$|Publish$)", action))
        ]
      ]
    ]))
    error_message = "A service may create, delete, list, purge or scan something."
  }

  assert {
    condition     = alltrue([for it in aws_iam_policy.publisher : !strcontains(it.policy, "*")])
    error_message = "An IAM policy has a wildcard."
  }
}

# Compared whole with what it is without: status gets exactly these rights, and nobody else any.
run "with_watch_queues_status_looks_at_every_queue_and_nothing_else" {
  command = plan
  variables { watch_queues = true }

  assert {
    condition = {
      for publisher, it in aws_iam_policy.publisher : publisher => join(", ", sort(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
        ] if startswith(statement.Sid, "Watch")
      ])))
      } == {
      for publisher in setunion(run.topics.listeners, ["client"]) : publisher => join(", ", sort(publisher != "status" ? [] : concat(
        [
          for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], setsubtract(run.topics.roles, ["status"]), ["", "-dlq"]) :
          "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}${it[2]}"
        ],
        [
          for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], run.topics.roles) :
          "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}-undelivered"
        ],
        ["Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-status-dlq"],
      )))
    }
    error_message = "With watch_queues, status may look at more, or less, than the queues that it does not have, or somebody else may."
  }

  # No right twice: what status may do on its own queues is in the statements of every role.
  assert {
    condition = alltrue([
      for it in [flatten([
        for statement in jsondecode(aws_iam_policy.publisher["status"].policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) : "${pair[0]} ${pair[1]}"
        ]
      ])] : length(it) == length(distinct(it))
    ])
    error_message = "A right of status is in two statements."
  }

  assert {
    condition     = !strcontains(aws_iam_policy.publisher["status"].policy, "*") && length(aws_iam_policy.publisher["status"].policy) <= 6144
    error_message = "The policy of status has a wildcard, or is longer than the 6144 characters AWS takes."
  }
}

run "operator_policy" {
  command = plan
  variables { store = "dynamodb" }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
      ]
      ])) == toset(concat(
      ["Allow sns:GetSubscriptionAttributes *"],
      [
        for pair in setproduct(["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish"], run.topics.topics) :
        "Allow ${pair[0]} arn:aws:sns:eu-central-1:123456789012:${pair[1]}"
      ],
      [
        for it in setproduct(["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], run.topics.listeners, ["", "-dlq", "-undelivered"]) :
        "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}${it[2]}"
      ],
      [
        for it in setproduct(["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"], run.topics.listeners, ["-dlq", "-undelivered"]) :
        "Allow ${it[0]} arn:aws:sqs:eu-central-1:123456789012:booking-${it[1]}${it[2]}"
      ],
      [for role in run.topics.listeners : "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${role}"],
      [
        for pair in setproduct(["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem"], run.topics.roles) :
        "Allow ${pair[0]} arn:aws:dynamodb:eu-central-1:123456789012:table/booking-${pair[1]}"
      ],
      [for it in ["newest", "stalest", "of_flight", "of_day"] : "Allow dynamodb:Query arn:aws:dynamodb:eu-central-1:123456789012:table/booking-status/index/${it}"],
    ))
    error_message = "The operator policy allows more, or less, than check, dlq and resend do."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : keys(statement) == ["Action", "Effect", "Resource", "Sid"]
    ])
    error_message = "A statement of the operator policy has other elements than Sid, Effect, Action and Resource."
  }
}

run "identities_of_tasks" {
  command = plan

  variables {
    store      = "dynamodb"
    image      = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/team/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition = alltrue([
      for it in concat(values(aws_iam_role.task), aws_iam_role.execution) : jsondecode(it.assume_role_policy) == jsondecode(jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "RunTasks"
          Effect    = "Allow"
          Principal = { Service = "ecs-tasks.amazonaws.com" }
          Action    = "sts:AssumeRole"
          Condition = {
            StringEquals = { "aws:SourceAccount" = "123456789012" }
            ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:eu-central-1:123456789012:*" }
          }
        }]
      }))
    ])
    error_message = "Another than ECS, or ECS for another account, may act as a task."
  }

  assert {
    condition = {
      for role, it in aws_iam_role_policy_attachment.task : role => "${it.role} ${it.policy_arn}"
      } == {
      for role in run.topics.roles : role => "booking-${role}-task arn:aws:iam::123456789012:policy/booking-${role}"
    }
    error_message = "A task does not act under its role's own policy, and that alone."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
      ]
      ])) == toset(concat(
      ["Allow ecr:GetAuthorizationToken *"],
      formatlist("Allow ecr:%s arn:aws:ecr:eu-west-1:999999999999:repository/team/booking", ["BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage"]),
      [
        for pair in setproduct(["logs:CreateLogStream", "logs:PutLogEvents"], run.topics.roles) :
        "Allow ${pair[0]} arn:aws:logs:eu-central-1:123456789012:log-group:/ecs/booking-${pair[1]}:log-stream:*"
      ],
    ))
    error_message = "The execution role may do more, or less, than fetch this image and write these logs."
  }
}

run "a_registry_of_another_partition_asks_iam" {
  command = plan

  variables {
    store      = "dynamodb"
    image      = "999999999999.dkr.ecr.eusc-de-east-1.amazonaws.eu/team/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.execution[0].policy, ":ecr:eusc-de-east-1:999999999999:repository/team/booking")
    error_message = "The tasks may not pull an image of a registry whose domain is another."
  }
}

run "another_registry_asks_no_iam" {
  command = plan

  variables {
    store      = "dynamodb"
    image      = "registry.example:5000/booking@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.execution[0].policy, "ecr:")
    error_message = "The execution role may use ECR although the image lies elsewhere."
  }
}
