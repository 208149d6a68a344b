CREATE TABLE outbox (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  stream text NOT NULL,
  key text,
  payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
  send_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  error text
);

CREATE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NOTIFY outbox; RETURN NULL; END $$;

CREATE TRIGGER notify_outbox AFTER INSERT ON outbox
  FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox();
