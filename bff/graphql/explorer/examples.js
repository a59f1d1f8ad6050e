// The examples of the explorer. Their people and courses are those of the demo data (devkit/people.py).

export const NORA = "00000000-0000-4000-8000-0000000000b1";
export const CALCULUS = "00000000-0000-4000-8000-0000000000c1";

const daysAhead = (days) => `${new Date(Date.now() + days * 86400000).toISOString().slice(0, 10)}T00:00:00Z`;

// `role` is who may do it. `find` names the variable that is looked up when the example is chosen: see LOOKUPS.
export const EXAMPLES = {
  "Free slots": {
    query: `query Slots(
  $tutorId: ID!, $from: AWSDateTime!, $to: AWSDateTime!
) {
  tutorAvailability(
    tutorId: $tutorId, from: $from, to: $to
  ) {
    start
    end
    price { display }
  }
}`,
    variables: { tutorId: NORA, from: daysAhead(1), to: daysAhead(8) },
  },
  "Book a lesson": {
    role: "student",
    find: "time",
    query: `mutation Book($tutorId: ID!, $time: AWSDateTime!) {
  bookSession(
    tutorId: $tutorId, time: $time, purpose: "Fractions"
  ) {
    booking { id status startTime price { display } }
    clientSecret
    holdExpiresAt
    userErrors { code message field retryable }
  }
}`,
    variables: { tutorId: NORA, time: "" },
  },
  "One booking": {
    find: "id",
    query: `query Booking($id: ID!) {
  booking(id: $id) {
    status
    startTime
    price { display }
    session { id status meetingLink }
    payment { id status amount { display } }
    timeline { at service event detail }
  }
}`,
    variables: { id: "" },
  },
  "Watch a booking": {
    find: "id",
    query: `subscription Watch($id: ID!) {
  bookingUpdated(bookingId: $id) {
    status
    holdExpiresAt
    payment { status }
  }
}`,
    variables: { id: "" },
  },
  "What a cancel gives back": {
    find: "id",
    query: `query Quote($id: ID!) {
  cancellationQuote(bookingId: $id) {
    refund { display }
    percent
    rule
    expiresAt
  }
}`,
    variables: { id: "" },
  },
  "Cancel a booking": {
    find: "id",
    query: `mutation Cancel($id: ID!) {
  cancelBooking(bookingId: $id, reason: "I am ill") {
    booking { id status }
    refund { display }
    userErrors { code message }
  }
}`,
    variables: { id: "" },
  },
  "My sessions": {
    query: `query Sessions {
  getMySessions {
    nodes { id scheduledAt durationMinutes status }
    pageInfo { hasNextPage endCursor }
  }
}`,
    variables: {},
  },
  "What I paid": {
    query: `query Payments {
  getPaymentHistory {
    nodes { id amount { display } refunded { display } status createdAt }
    pageInfo { hasNextPage endCursor }
  }
}`,
    variables: {},
  },
  "Courses": {
    query: `query Courses {
  courses {
    nodes { id title price { display } seats seatsTaken }
    pageInfo { hasNextPage endCursor }
  }
}`,
    variables: {},
  },
  "Enroll in a course": {
    role: "student",
    query: `mutation Enroll($courseId: ID!) {
  enrollInCourse(courseId: $courseId) {
    enrollment { id status }
    clientSecret
    holdExpiresAt
    userErrors { code message field retryable }
  }
}`,
    variables: { courseId: CALCULUS },
  },
  "My enrollments": {
    query: `query Enrollments {
  getMyEnrollments {
    nodes { id status course { title } payment { status amount { display } } }
    pageInfo { hasNextPage endCursor }
  }
}`,
    variables: {},
  },
  "Publish hours": {
    role: "tutor",
    query: `mutation Publish($input: PublishAvailabilityInput!) {
  publishAvailability(input: $input) {
    schedule { timezone weekly { weekday start end } rate { display } }
    userErrors { code message }
  }
}`,
    variables: {
      input: {
        timezone: "America/New_York",
        weekly: ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
          .map((weekday) => ({ weekday, start: "09:00", end: "17:00" })),
        rate: { amountMinor: 5000, currency: "USD" },
      },
    },
  },
  "Create a course": {
    role: "tutor",
    query: `mutation Create($input: CreateCourseInput!) {
  createCourse(input: $input) {
    course { id title published }
    userErrors { code message }
  }
}`,
    variables: { input: { title: "Fractions for everybody", price: { amountMinor: 12000, currency: "USD" }, seats: 12 } },
  },
  "Publish a course": {
    role: "tutor",
    find: "course",
    query: `mutation Publish($course: ID!) {
  publishCourse(id: $course) {
    course { id title published }
    userErrors { code message }
  }
}`,
    variables: { course: CALCULUS },
  },
};

// How a variable is looked up: what is asked, where the answer has it, and what to do when there is none.
export const LOOKUPS = {
  time: {
    query: EXAMPLES["Free slots"].query,
    variables: EXAMPLES["Free slots"].variables,
    pick: (data) => data.tutorAvailability[0]?.start,
    none: "Nora has no free time in the coming week. Put in another tutor.",
  },
  id: {
    query: "query Newest { getMyBookings(first: 1) { nodes { id } } }",
    variables: {},
    pick: (data) => data.getMyBookings.nodes[0]?.id,
    none: "You have no booking yet. Choose “Book a lesson” first.",
  },
};
