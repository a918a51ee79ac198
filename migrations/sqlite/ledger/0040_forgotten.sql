-- Who was forgotten is looked up at every start: a keys store that was restored must not bring them back.
CREATE INDEX event_forgotten ON event (position) WHERE type = 'CustomerForgotten';
