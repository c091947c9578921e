# The URL at which the function of status answers questions about bookings, and the policy for those who
# sign what they ask.

locals {
  url_auth = coalesce(var.lambda_url_auth, "AWS_IAM")

  # Whoever asks by the URL calls the function, and AWS wants both rights. The second one without its
  # condition would let them bring forged messages to it.
  url_statements = [
    for arn in [for role, arn in local.function_arns : arn if role == local.answering] : [
      {
        Sid       = "AskStatus"
        Effect    = "Allow"
        Action    = ["lambda:InvokeFunctionUrl"]
        Resource  = [arn]
        Condition = { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }
      },
      {
        Sid       = "ByItsUrlAlone"
        Effect    = "Allow"
        Action    = ["lambda:InvokeFunction"]
        Resource  = [arn]
        Condition = { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } }
      },
    ] if local.url_auth == "AWS_IAM"
  ]
}

# With NONE, the provider (5.100) gives everybody lambda:InvokeFunctionUrl, and cannot give the second right
# with its condition. README.md says how to.
resource "aws_lambda_function_url" "status" {
  count = length(local.functions) == 0 ? 0 : 1

  function_name      = aws_lambda_function.role[local.answering].function_name
  authorization_type = local.url_auth
}

resource "aws_iam_policy" "status_url" {
  count = length(local.url_statements)

  name        = "${var.prefix}booking-status-url"
  description = "Asks status about bookings, at the URL of its function."

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.url_statements[count.index]
  })
}
