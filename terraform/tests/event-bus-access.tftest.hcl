# Who may do what with the event bus and with the queues that its rules deliver to, exactly. As in
# access.tftest.hcl, a right too many fails as surely as one too few.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  events     = "eventbridge"
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
            policy.Statement[0].Principal == { Service = "events.amazonaws.com" } &&
            policy.Statement[0].Action == "sqs:SendMessage" &&
            policy.Statement[0].Resource == "arn:aws:sqs:eu-central-1:123456789012:${queue.name}" &&
            keys(policy.Statement[0].Condition) == ["ArnEquals"] &&
            keys(policy.Statement[0].Condition.ArnEquals) == ["aws:SourceArn"]
          )
        ]
      ]
    ]))
    error_message = "A queue policy allows more, or less, than EventBridge to send to that queue."
  }

  # No wildcard: a rule that somebody else makes on the bus puts nothing on a queue of ours.
  assert {
    condition = alltrue(flatten([
      for role in run.topics.listeners : [
        for queue in [aws_sqs_queue.role[role], aws_sqs_queue.undelivered[role]] :
        toset(jsondecode(queue.policy).Statement[0].Condition.ArnEquals["aws:SourceArn"]) ==
        toset([for topic in run.topics.subscribes[role] : "arn:aws:events:eu-central-1:123456789012:rule/booking/booking-${role}-${topic}"])
      ]
    ]))
    error_message = "A queue takes messages from rules other than those of its role."
  }
}

run "iam_policies" {
  command = plan

  assert {
    condition     = toset(keys(aws_iam_policy.publisher)) == setunion(run.topics.listeners, ["client"])
    error_message = "There is not exactly one IAM policy for each role and each guest and one for clients."
  }

  # Each policy as a set of "effect action resource condition"; the expected one is built from topics/
  # alone.
  assert {
    condition = {
      for who, it in aws_iam_policy.publisher : who => toset(flatten([
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(statement.Action, statement.Resource) :
          join(" ", concat([statement.Effect, pair[0], pair[1]], [for condition in [try(statement.Condition, null)] : jsonencode(condition) if condition != null]))
        ]
      ]))
      } == {
      for who in setunion(run.topics.listeners, ["client"]) : who => toset(concat(
        !contains(setunion(run.topics.roles, ["client"]), who) ? [] : [
          "Allow events:DescribeEventBus arn:aws:events:eu-central-1:123456789012:event-bus/booking",
        ],
        [
          for topics in [sort(lookup(run.topics.publishes, who, []))] : join(" ", [
            "Allow events:PutEvents arn:aws:events:eu-central-1:123456789012:event-bus/booking",
            jsonencode({
              "ForAllValues:StringEquals" = { "events:source" = ["booking.${who}"], "events:detail-type" = topics }
              "Null"                      = { "events:source" = "false", "events:detail-type" = "false" }
            }),
          ]) if length(topics) > 0
        ],
        who == "client" ? [] : [
          "Allow sqs:ReceiveMessage arn:aws:sqs:eu-central-1:123456789012:booking-${who}",
          "Allow sqs:DeleteMessage arn:aws:sqs:eu-central-1:123456789012:booking-${who}",
          "Allow sqs:ChangeMessageVisibility arn:aws:sqs:eu-central-1:123456789012:booking-${who}",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${who}",
          "Allow sqs:GetQueueAttributes arn:aws:sqs:eu-central-1:123456789012:booking-${who}",
          "Allow sqs:SendMessage arn:aws:sqs:eu-central-1:123456789012:booking-${who}-dlq",
          "Allow sqs:GetQueueUrl arn:aws:sqs:eu-central-1:123456789012:booking-${who}-dlq",
        ],
      ))
    }
    error_message = "An IAM policy allows more, or less, than its role does."
  }

  # The same from the other side: each source and type that somebody may use, and by whom.
  assert {
    condition = toset(flatten([
      for who, it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement : [
          for pair in setproduct(
            statement.Condition["ForAllValues:StringEquals"]["events:source"],
            statement.Condition["ForAllValues:StringEquals"]["events:detail-type"],
          ) : "${who} ${pair[0]} ${pair[1]}"
        ] if contains(statement.Action, "events:PutEvents")
      ]
    ])) == toset([for topic, publisher in run.topics.publishers : "${publisher} booking.${publisher} ${topic}"])
    error_message = "Somebody may put events of another on the bus, or not his own."
  }

  # Only what puts events has a condition, and has one on both.
  assert {
    condition = alltrue(flatten([
      for it in aws_iam_policy.publisher : [
        for statement in jsondecode(it.policy).Statement :
        join(" ", keys(statement)) == (contains(statement.Action, "events:PutEvents") ? "Action Condition Effect Resource Sid" : "Action Effect Resource Sid") &&
        length(statement.Action) > 0 && length(statement.Resource) > 0
      ]
    ]))
    error_message = "An IAM statement has other elements than Sid, Effect, Action, Resource and the condition on events, or an empty one."
  }

  assert {
    condition     = alltrue([for it in aws_iam_policy.publisher : !strcontains(it.policy, "*")])
    error_message = "An IAM policy has a wildcard."
  }
}

run "with_tables_the_same_as_with_topics" {
  command = plan
  variables { store = "dynamodb" }

  assert {
    condition = {
      for who, it in aws_iam_policy.publisher : who => join(" ", [for statement in jsondecode(it.policy).Statement : statement.Sid])
      } == {
      for who in setunion(run.topics.listeners, ["client"]) : who => join(" ", concat(
        who == "client" ? [] : ["ConsumeOwnQueue", "SetAside"],
        contains(setunion(run.topics.roles, ["client"]), who) ? ["FindEventBus"] : [],
        length(lookup(run.topics.publishes, who, [])) == 0 ? [] : ["PutOwnEvents"],
        contains(run.topics.roles, who) ? ["KeepOwnState"] : [],
        who == "status" ? ["FindOwnState"] : [],
      ))
    }
    error_message = "A policy has other statements than those of its queue, of the bus, and of its table."
  }
}

run "operators_look_at_the_bus_and_announce_again" {
  command = plan

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : [
        for pair in setproduct(statement.Action, statement.Resource) : "${statement.Effect} ${pair[0]} ${pair[1]}"
      ]
      ])) == toset(concat(
      [
        "Allow events:DescribeEventBus arn:aws:events:eu-central-1:123456789012:event-bus/booking",
        "Allow events:ListTargetsByRule arn:aws:events:eu-central-1:123456789012:rule/booking/*",
        "Allow events:ListRules *",
        "Allow events:PutEvents arn:aws:events:eu-central-1:123456789012:event-bus/booking",
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
    ))
    error_message = "The operator policy allows more, or less, than check, dlq and resend do."
  }

  # Whatever a role may announce, and nothing that no role does.
  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement : jsonencode(statement.Condition) if can(statement.Condition)
      ] == [jsonencode({
        "ForAllValues:StringEquals" = {
          "events:source"      = [for publisher in sort(distinct(values(run.topics.publishers))) : "booking.${publisher}"]
          "events:detail-type" = sort(tolist(run.topics.topics))
        }
        "Null" = { "events:source" = "false", "events:detail-type" = "false" }
    })]
    error_message = "An operator may put other events than those of topics/, or not all of them."
  }
}

run "with_a_key_of_the_customer" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }

  assert {
    condition = aws_cloudwatch_event_bus.booking[0].kms_key_identifier == var.kms_key_arn && alltrue([
      for it in concat(values(aws_sqs_queue.role), values(aws_sqs_queue.dlq), values(aws_sqs_queue.undelivered)) : it.kms_master_key_id == var.kms_key_arn
    ])
    error_message = "The event bus or a queue is not encrypted with the given key."
  }

  # SQS uses the key in the name of whoever sends and receives. EventBridge uses it in its own, so a
  # client needs no right to it.
  assert {
    condition = {
      for who, policy in merge({ for who, it in aws_iam_policy.publisher : who => it.policy }, { operator = aws_iam_policy.operator.policy }) : who => join(", ", [
        for statement in jsondecode(policy).Statement : jsonencode(statement) if strcontains(jsonencode(statement), "kms")
      ])
      } == {
      for who in setunion(run.topics.listeners, ["client", "operator"]) : who => who == "client" ? "" : jsonencode({
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource = [var.kms_key_arn]
      })
    }
    error_message = "Not exactly the roles and operators may use exactly the given key."
  }
}

# With everything that makes a policy longer, save guests.
run "every_policy_fits" {
  command = plan

  variables {
    prefix           = "a-prefix-that-is-thirty-one-ch-"
    store            = "dynamodb"
    kms_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    canary_key_arn   = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key"
    watch_queues     = true
    mailer           = "ses"
    mail_from        = "Example Air <receipts@example.com>"
    ses_identity_arn = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
  }

  assert {
    condition     = alltrue([for it in concat(values(aws_iam_policy.publisher), [aws_iam_policy.operator]) : length(it.policy) <= 6144])
    error_message = "An IAM policy is longer than the 6144 characters AWS takes."
  }
}
