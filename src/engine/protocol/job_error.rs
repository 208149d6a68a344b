//! The JSON of errors that the engine itself makes for jobs.

use serde::Serialize;

/// Error of a job, in the fields that the host turns into an `Error`.
#[derive(Debug, Serialize)]
pub struct JobError<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<&'a str>,
    name: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
}

impl<'a> JobError<'a> {
    /// Error with a code and a message.
    pub fn new(code: &'a str, message: &'a str) -> Self {
        Self { code, errno: None, name: "Error", message, stack: None }
    }

    /// Adds the `errno` and the `stack` that 2.x published with the error of a deadline.
    pub fn with_stack(self) -> Self {
        Self { errno: Some(self.code), stack: Some(format!("Error: {}", self.message)), ..self }
    }

    /// The error as JSON.
    pub fn to_json(&self) -> String {
        // Texts can always be written. A completion with the error null would still be a failure.
        serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_with_a_stack_has_the_bytes_of_2_x() {
        let error = JobError::new("DEADLINE_TIMEOUT", "The job was running for too long (5ms)").with_stack();
        assert_eq!(
            error.to_json(),
            r#"{"code":"DEADLINE_TIMEOUT","errno":"DEADLINE_TIMEOUT","name":"Error","message":"The job was running for too long (5ms)","stack":"Error: The job was running for too long (5ms)"}"#
        );
    }

    #[test]
    fn names_in_a_message_cannot_inject_json() {
        let error = JobError::new("C", "a\"b\n").to_json();
        assert_eq!(error, r#"{"code":"C","name":"Error","message":"a\"b\n"}"#);
    }
}
